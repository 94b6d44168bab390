/**
 * Splits PEM by the strict form of RFC 7468. Every `-----BEGIN` becomes a block or an error, so no root is lost
 * silently. Other readers differ on malformed files: Go skips blocks that it cannot read, istiod reads only the first
 * block.
 */
import { error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { DAMAGED_KEY, holdsPrivateKey, isKeyDer, privateKey } from './private-key.ts'

export interface PemBlock {
  /** Counts the `-----BEGIN` lines, from 1. */
  readonly number: number
  readonly label: string
  readonly der: Uint8Array
}

export interface PemFile {
  /** The readable blocks, whatever their label. */
  readonly blocks: readonly PemBlock[]
  readonly findings: readonly Finding[]
}

const BEGIN = '-----BEGIN '
const DASHES = '-----'

/** Never throws. The time is linear in the size of the file. */
export function splitPem(file: Uint8Array): PemFile {
  const findings: Finding[] = []
  // Latin-1 makes offsets in the text equal offsets in the bytes.
  const original = bufferOf(file)
  const text = repair(original.toString('latin1'), findings)
  const bytes = text.length === original.length ? original : Buffer.from(text, 'latin1')
  if (text.trim() === '') return { blocks: [], findings: [...findings, error('empty', about.input('file'), 'there is nothing in it')] }

  const blocks: PemBlock[] = []
  let outside = 0
  let number = 0
  for (let begin = text.indexOf(BEGIN); begin !== -1; begin = text.indexOf(BEGIN, outside)) {
    if (begin > outside + 1) findings.push(...findingsOutside(text.slice(outside, begin), number))
    number++
    const next = readBlock(text, bytes, begin, number)
    if ('finding' in next)
      findings.push(holdsPrivateKey(text.slice(begin, next.end)) ? privateKey(`block ${number}`, DAMAGED_KEY) : next.finding)
    else blocks.push(next)
    outside = next.end
  }
  if (number === 0 && isKeyDer(bytes)) findings.push(privateKey('file', 'looks like a private key'))
  if (number === 0) findings.push(error('no-pem', about.input('file'), 'there is no -----BEGIN line in it', HINT))
  findings.push(...findingsOutside(text.slice(outside), number))
  return { blocks, findings }
}

const HINT = 'give a file that contains -----BEGIN CERTIFICATE----- blocks'
const BOM = '\u00ef\u00bb\u00bf'
const JOINED = /-----END [^\r\n-]*-----(?=-----BEGIN )/g

/** Repairs two accidents with a clear meaning: a byte order mark, and `cat` of files without a final newline. */
function repair(text: string, findings: Finding[]): string {
  const bare = text.startsWith(BOM) ? text.slice(BOM.length) : text
  if (bare !== text) findings.push(byteOrderMark('at which Go finds no certificate'))
  if (!bare.includes('----------BEGIN ')) return bare
  const split = bare.replace(JOINED, '$&\n')
  if (split !== bare) {
    findings.push(
      warning('joined-blocks', about.input('file'), 'two blocks share a line, where Go finds no certificate', 'each gets lines of its own'),
    )
  }
  return split
}

type Read = PemBlock & { readonly end: number }
interface Failed {
  readonly finding: Finding
  /** The offset at which the search for the next block continues. */
  readonly end: number
}

function readBlock(text: string, bytes: Uint8Array, begin: number, number: number): Read | Failed {
  const lineEnd = endOfLine(text, begin)
  const line = text.slice(begin + BEGIN.length, lineEnd).trimEnd()
  const label = line.slice(0, -DASHES.length)
  if (!line.endsWith(DASHES) || label.includes('-')) return malformed(number, 'its BEGIN line is not one', lineEnd)

  const end = text.indexOf(DASHES, lineEnd)
  if (end === -1 || text.startsWith(BEGIN, end)) return malformed(number, 'it has no END line', end === -1 ? text.length : end)
  const endLineEnd = endOfLine(text, end)
  if (text.slice(end, endLineEnd).trimEnd() !== `-----END ${label}-----`) {
    const again = text.indexOf(BEGIN, end)
    return malformed(number, 'its END line does not match its BEGIN line', again !== -1 && again < endLineEnd ? again : endLineEnd)
  }
  if (!startsLine(text, begin) || !startsLine(text, end))
    return malformed(number, 'its BEGIN or END is not at the start of a line', endLineEnd)
  return bodyOf(bytes.subarray(lineEnd, end), number, label, endLineEnd)
}

const malformed = (number: number, message: string, end: number): Failed => ({
  finding: error('malformed-pem', about.input(`block ${number}`), message, HINT),
  end,
})

const endOfLine = (text: string, from: number): number => {
  const newline = text.indexOf('\n', from)
  return newline === -1 ? text.length : newline
}
const startsLine = (text: string, at: number): boolean => at === 0 || text.charCodeAt(at - 1) === NEWLINE

function bodyOf(body: Uint8Array, number: number, label: string, end: number): Read | Failed {
  const der = decodeBase64(body)
  if (der !== undefined && der.length > 0) return { number, label, der, end }
  if (!body.includes(COLON)) return malformed(number, 'its contents are not base64', end)
  return {
    finding: error(
      'pem-headers',
      about.input(`block ${number}`),
      'it has PEM header lines, which proxies refuse',
      'remove the header lines',
    ),
    end,
  }
}

const NEWLINE = 0x0a
const COLON = 0x3a

/**
 * Decodes base64 by RFC 4648 §4 and ignores white space. Undefined for anything else; Node's own decoder accepts any
 * input.
 */
export function decodeBase64(ascii: Uint8Array): Uint8Array | undefined {
  let digits = 0
  let kinds = 0
  for (let i = 0; i < ascii.length; i++) {
    const kind = KINDS[ascii[i] as number] as number
    digits += kind & DIGIT
    kinds |= kind
  }
  if ((kinds & OTHER) !== 0) return undefined
  const text = bufferOf(ascii).toString('latin1')
  const padding = (kinds & PADDING) === 0 ? '' : text.slice(text.indexOf('=')).replace(/[\r\n\t ]+/g, '')
  if ((digits + padding.length) % 4 !== 0 || !/^={0,2}$/.test(padding)) return undefined
  return viewOf(Buffer.from(text, 'base64'))
}

const DIGIT = 1
const PADDING = 2
const OTHER = 4
/**
 * Indexed by byte; white space is 0. Bundles may have ten thousand roots, so decoding uses a table and a loop without
 * branches.
 */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte)
  if (/[A-Za-z0-9+/]/.test(char)) return DIGIT
  if (/[\r\n\t ]/.test(char)) return 0
  return char === '=' ? PADDING : OTHER
})

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)
const viewOf = ({ buffer, byteOffset, byteLength }: Buffer): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

/** Patterns of a damaged block: armour, a damaged armour line, or a line of base64. */
const REMAINS = [
  /-----(?:BEGIN|END) /i,
  /^[-= \t>]{0,20}(?:BEGIN|END)[ \t]{1,9}[A-Z0-9 ]{0,40}(?:CERTIFICATE|KEY)[-= \t\r]{0,20}$/im,
  /^[ \t>]{0,20}(?:MI[A-Za-z0-9+/]{20,}|[A-Za-z0-9+/]{60,})={0,2}[ \t\r]*$/im,
]

/** Text around blocks is explanation (RFC 7468 §2), unless it looks like a damaged block. */
function findingsOutside(text: string, after: number): Finding[] {
  if (text.trim() === '') return []
  const subject = after === 0 ? 'before block 1' : `after block ${after}`
  if (holdsPrivateKey(text)) return [privateKey(subject, DAMAGED_KEY)]
  if (REMAINS.some((one) => one.test(text)))
    return [error('malformed-pem', about.input(subject), 'the text looks like a damaged block', HINT)]
  return [warning('text-outside-blocks', about.input(subject), 'there is text outside the blocks', 'it is left out')]
}

/** One CERTIFICATE block: lines of 64 characters, LF, final newline. All readers accept this form. */
export function printPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** @param why the reason to remove the mark; follows "starts with a byte order mark," */
export const byteOrderMark = (why: string): Finding =>
  warning('byte-order-mark', about.input('file'), `starts with a byte order mark, ${why}`, 'it is left out')

/** True if two PEM files contain the same set of certificates. */
export const sameRoots = (one: string, other: string): boolean => contentOf(one) === contentOf(other)

const contentOf = (pem: string): string => {
  const blocks = splitPem(Buffer.from(pem)).blocks.map(({ der }) => Buffer.from(der).toString('base64'))
  return blocks.length === 0 ? pem.trim() : [...new Set(blocks)].sort().join(' ')
}
