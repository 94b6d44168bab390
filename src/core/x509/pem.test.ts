import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { decodeBase64, printPem, splitPem } from './pem.ts'

const [a, b] = await Promise.all(['a.example', 'b.example'].map((trustDomain) => makeCa({ trustDomain })))
const [pemA, pemB] = [a?.root.pem ?? '', b?.root.pem ?? '']
const [derA, derB] = [a?.root.der, b?.root.der]
const split = (text: string, encoding: BufferEncoding = 'utf8') => splitPem(Buffer.from(text, encoding))
const keyBlock = a?.root.keyPem ?? ''

describe('a PEM file', () => {
  it.each([
    { name: 'two blocks', text: pemA + pemB, ders: [derA, derB], codes: [] },
    { name: 'CRLF', text: (pemA + pemB).replaceAll('\n', '\r\n'), ders: [derA, derB], codes: [] },
    { name: 'no final newline', text: pemA.trimEnd(), ders: [derA], codes: [] },
    { name: 'blank lines and trailing spaces', text: `\n\n${pemA.replaceAll('\n', ' \n')}\n\n${pemB}\n`, ders: [derA, derB], codes: [] },
    {
      name: 'one long line of base64',
      text: pemA.replace(/(?<=-----\n)[^-]+/, (body) => `${body.replaceAll('\n', '')}\n`),
      ders: [derA],
      codes: [],
    },
    { name: 'a byte order mark is repaired and reported', text: `\ufeff${pemA}${pemB}`, ders: [derA, derB], codes: ['byte-order-mark'] },
    {
      name: 'joined armour lines are repaired and reported',
      text: `${pemA.trimEnd()}${pemB}`,
      ders: [derA, derB],
      codes: ['joined-blocks'],
    },
    {
      name: 'explanatory text is reported',
      text: `# root a\n${pemA}# root b\n${pemB}`,
      ders: [derA, derB],
      codes: ['text-outside-blocks', 'text-outside-blocks'],
    },
    {
      name: 'a comment that only sounds like armour',
      text: `# Append certificates below\n--- End users' root ---\n${pemA}`,
      ders: [derA],
      codes: ['text-outside-blocks'],
    },
    { name: 'nothing', text: '', ders: [], codes: ['empty'] },
    { name: 'only white space', text: ' \r\n\t\n', ders: [], codes: ['empty'] },
    { name: 'no PEM', text: 'hello', ders: [], codes: ['no-pem', 'text-outside-blocks'] },
    {
      name: 'a block cut before its END, then a good root',
      text: `${pemA.slice(0, 200)}\n${pemB}`,
      ders: [derB],
      codes: ['malformed-pem'],
    },
    { name: 'cut in the middle of a line', text: pemA.slice(0, 200) + pemB, ders: [], codes: ['malformed-pem', 'malformed-pem'] },
    { name: 'cut at the end', text: pemA + pemB.slice(0, -30), ders: [derA], codes: ['malformed-pem'] },
    { name: 'a BEGIN line lost', text: pemA + pemB.slice(pemB.indexOf('\n') + 1), ders: [derA], codes: ['malformed-pem'] },
    { name: 'a dash lost in a BEGIN line', text: pemA + pemB.slice(1), ders: [derA], codes: ['malformed-pem'] },
    { name: 'a dash lost in an END line', text: pemA.replace('-----END', '----END') + pemB, ders: [derB], codes: ['malformed-pem'] },
    { name: 'indented, as in YAML', text: pemA.replace(/^/gm, '  '), ders: [], codes: ['malformed-pem'] },
    { name: 'lone carriage returns', text: pemA.replaceAll('\n', '\r'), ders: [], codes: ['malformed-pem'] },
    { name: 'labels that do not match', text: pemA.replace('END CERTIFICATE', 'END X'), ders: [], codes: ['malformed-pem'] },
    { name: 'PEM headers', text: pemA.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n'), ders: [], codes: ['pem-headers'] },
    { name: 'base64url', text: pemA.replace(/M/, '_'), ders: [], codes: ['malformed-pem'] },
    { name: 'an empty block', text: '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n', ders: [], codes: ['malformed-pem'] },
    {
      name: 'base64 without armour after a root',
      text: pemA + pemB.split('\n').slice(1, -2).join('\n'),
      ders: [derA],
      codes: ['malformed-pem'],
    },
    { name: 'a NUL in the base64', text: pemA.replace('M', '\u0000'), ders: [], codes: ['malformed-pem'] },
  ])('$name', ({ text, ders, codes }) => {
    const file = split(text)
    expect(file.blocks.map(({ der }) => Buffer.from(der).toString('hex'))).toEqual(
      ders.map((der) => Buffer.from(der ?? []).toString('hex')),
    )
    expect(file.findings.map(({ code }) => code)).toEqual(codes)
  })

  it('numbers its blocks in reading order', () => {
    expect(split(`${pemA.slice(0, 100)}\n${keyBlock}${pemB}`).blocks.map(({ number, label }) => [number, label])).toEqual([
      [2, 'PRIVATE KEY'],
      [3, 'CERTIFICATE'],
    ])
  })

  it('may not be UTF-16', () => {
    expect(split(pemA, 'utf16le').findings.map(({ code }) => code)).toContain('no-pem')
  })

  it('reads back as it was printed', () => {
    expect(split(printPem(derA ?? new Uint8Array())).blocks[0]?.der).toEqual(derA)
    expect(printPem(derA ?? new Uint8Array())).toBe(pemA)
  })
})

describe('base64', () => {
  it.each([
    { text: 'TWFu', bytes: 'Man' },
    { text: 'TWE=', bytes: 'Ma' },
    { text: 'T W\nFu\r\n', bytes: 'Man' },
    { text: '', bytes: '' },
    { text: 'TWE', bytes: undefined },
    { text: 'TWFuT', bytes: undefined },
    { text: 'TW=u', bytes: undefined },
    { text: 'T===', bytes: undefined },
    { text: 'TW-u', bytes: undefined },
    { text: 'TWŁu', bytes: undefined },
  ])('$text', ({ text, bytes }) => {
    const decoded = decodeBase64(Buffer.from(text))
    expect(decoded && Buffer.from(decoded).toString()).toBe(bytes)
  })
})
