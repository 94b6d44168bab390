/** Ways in which files with roots get damaged on their way: for property tests here and the longer fuzzing in e2e. */
import * as fc from 'fast-check'

type Mangle = (text: string, a: number, b: number) => string

const lines = (text: string): string[] => text.split('\n')
const blocksOf = (text: string): string[] => text.match(/-----BEGIN[\s\S]*?-----END [^\n]*\n?/g) ?? []
const at = (text: string, share: number): number => Math.floor(share * (text.length + 1))
const insert = (text: string, share: number, what: string): string => text.slice(0, at(text, share)) + what + text.slice(at(text, share))
const insertLine = (text: string, share: number, what: string): string => {
  const all = lines(text)
  all.splice(Math.floor(share * all.length), 0, what)
  return all.join('\n')
}

/** The two numbers are shares of the text, 0 to 1. */
export const MANGLES: Readonly<Record<string, Mangle>> = {
  truncate: (text, a) => text.slice(0, at(text, a)),
  'lose the head': (text, a) => text.slice(at(text, a)),
  'cut a piece out': (text, a, b) => text.slice(0, at(text, Math.min(a, b))) + text.slice(at(text, Math.max(a, b))),
  'duplicate a piece': (text, a, b) => insert(text, Math.max(a, b), text.slice(at(text, Math.min(a, b)), at(text, Math.max(a, b)))),
  'duplicate a block': (text, a) => text + (blocksOf(text)[Math.floor(a * blocksOf(text).length)] ?? ''),
  reorder: (text) => blocksOf(text).reverse().join(''),
  're-wrap': (text, a) =>
    text.replace(
      /(?<=-----\n)[^-]+/g,
      (body) => `${body.replace(/\n/g, '').replace(new RegExp(`.{${1 + Math.floor(a * 99)}}`, 'g'), '$&\n')}\n`,
    ),
  'one line': (text) => text.replace(/(?<=-----\n)[^-]+/g, (body) => `${body.replace(/\n/g, '')}\n`),
  CRLF: (text) => text.replace(/\n/g, '\r\n'),
  CR: (text) => text.replace(/\n/g, '\r'),
  'byte order mark': (text, a) => (a < 0.5 ? `\ufeff${text}` : insertLine(text, a, '\ufeff')),
  'joined armour lines': (text) => text.replace(/-----\n-----BEGIN/g, '----------BEGIN'),
  'no line ends at all': (text) => text.replace(/\n/g, ''),
  indent: (text) => text.replace(/^/gm, '  '),
  'junk between blocks': (text, a) => text.replace(/-----BEGIN/g, (begin) => `junk ${a}\n${begin}`),
  'junk anywhere': (text, a, b) => insert(text, a, ['-', '=', '%', ' ', '\u0000', '"', '-----', 'é', '{'][Math.floor(b * 9)] ?? ''),
  'a dash less': (text, a) => insertLine(text, a, '').replace(/-----BEGIN/, '----BEGIN'),
  'another label': (text) => text.replace(/CERTIFICATE/, 'TRUSTED CERTIFICATE'),
  'header lines': (text) => text.replace(/(-----BEGIN[^\n]*\n)/, '$1Proc-Type: 4,ENCRYPTED\n\n'),
  'trailing DER bytes': (text) => text.replace(/={0,2}\n-----END/, 'AAAA\n-----END'),
  'an empty block': (text) => `${text}-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n`,
  'another case': (text) => text.replace(/BEGIN/, 'Begin'),
  'change a character': (text, a, b) =>
    text.slice(0, at(text, a)) + String.fromCharCode(32 + Math.floor(b * 95)) + text.slice(at(text, a) + 1),
}

/** A share of a text, evenly spread; fc.double would nearly always give the very beginning. */
export const share = fc.nat(9_999).map((n) => n / 10_000)

export const mangling = fc
  .array(fc.tuple(fc.constantFrom(...Object.keys(MANGLES)), share, share), { minLength: 1, maxLength: 3 })
  .map((steps) => ({
    names: steps.map(([name]) => name),
    apply: (text: string): string => steps.reduce((now, [name, a, b]) => MANGLES[name]?.(now, a, b) ?? now, text),
  }))

/** Bytes of log-uniform size, up to `max`. */
export const anyBytes = (max: number): fc.Arbitrary<Uint8Array> =>
  fc.tuple(share, fc.integer()).chain(([size, seed]) => fc.constant(noise(Math.floor(max ** size), seed)))

/** Cheap pseudo-random bytes; many parsers look at the first few only, so some sizes start like a real file. */
function noise(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed | 1
  for (let i = 0; i < size; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 0xff
  }
  const starts = ['', '{"keys":[', '-----BEGIN CERTIFICATE-----\n', '\u0030\u0082\u0001\u0000\u0030', '{"trust_domains":{']
  bytes.set(Buffer.from(starts[Math.abs(seed) % starts.length] ?? '', 'latin1').subarray(0, size))
  return bytes
}
