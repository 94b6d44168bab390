/**
 * Splits a file that contains roots into certificates with their subjects, and reports problems of the file itself. It
 * does not parse the certificates.
 */

import { error, type Finding, hasErrors } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { byteOrderMark, splitPem } from '../x509/pem.ts'
import { DAMAGED_KEY, holdsPrivateKey, isKeyDer, isKeyLabel, privateKey } from '../x509/private-key.ts'
import { printable } from '../x509/syntax/printable.ts'
import { JsonFault, JsonObject, readJson } from './json.ts'
import { type Entry, type Part, readKeys, repeated } from './jwks.ts'
import { malformedBundle } from './root-findings.ts'

export type Format = 'pem' | 'der' | 'spiffe'

export interface Document {
  readonly format: Format
  /** One part per trust domain in a bundle map; exactly one part in any other file. */
  readonly parts: readonly Part[]
  readonly isMap: boolean
  readonly findings: readonly Finding[]
}

/** Never throws. */
export function readDocument(file: Uint8Array, format: Format | undefined): Document {
  switch (format ?? formatOf(file)) {
    case 'pem':
      return readPem(file)
    case 'der':
      return readDer(file)
    case 'spiffe':
      return readSpiffe(file)
  }
}

/** JSON starts with `{` or `[`, DER with a SEQUENCE. Everything else is read as PEM. */
function formatOf(file: Uint8Array): Format {
  const start = Buffer.from(file.subarray(0, 4096))
    .toString('latin1')
    .replace(/^(\u00ef\u00bb\u00bf)?[\s]*/, '')
  if (start.startsWith('{') || start.startsWith('[')) return 'spiffe'
  return file[0] === 0x30 && ((file[1] ?? 0) >= 0x80 || isKeyDer(file)) ? 'der' : 'pem'
}

function readDer(file: Uint8Array): Document {
  const entries = [{ subject: 'file', der: file }]
  return {
    format: 'der',
    parts: [{ entries, findings: isKeyDer(file) ? [privateKey('file', 'looks like a private key')] : [] }],
    isMap: false,
    findings: [],
  }
}

function readPem(file: Uint8Array): Document {
  const { blocks, findings } = splitPem(file)
  const entries: Entry[] = []
  const others: Finding[] = []
  for (const { number, label, der } of blocks) {
    if (label === 'CERTIFICATE') entries.push({ subject: `block ${number}`, der })
    else others.push(otherBlock(`block ${number}`, label))
  }
  const none =
    entries.length === 0 && others.length > 0 ? [error('no-certificate', about.input('file'), 'there is no certificate in it')] : []
  return { format: 'pem', parts: [{ entries, findings: [...findings, ...others, ...none] }], isMap: false, findings: [] }
}

function otherBlock(subject: string, label: string): Finding {
  const shown = JSON.stringify(printable(label, 40))
  if (isKeyLabel(label)) return privateKey(subject, `is a private key (${shown})`)
  return error(
    'non-certificate-block',
    about.input(subject),
    `is not a certificate but ${shown}`,
    'only CERTIFICATE blocks belong into a bundle',
  )
}

function readSpiffe(file: Uint8Array): Document {
  const findings: Finding[] = []
  const parts: Part[] = []
  let isMap = false
  try {
    const root = readJson(decode(file, findings))
    if (root instanceof JsonObject) {
      isMap = root.members.has('trust_domains')
      parts.push(...(isMap ? readMap(root, findings) : [readKeys(root, '')]))
    } else findings.push(malformedBundle(about.input('file'), 'want a JSON object with `keys`'))
  } catch (cause) {
    if (!(cause instanceof JsonFault)) throw cause
    findings.push(error('malformed-json', about.input('file'), cause.message, 'a bundle cut short, or a web page, looks like this'))
  }
  if (mayHoldKey(file, [...findings, ...parts.flatMap((part) => part.findings)])) findings.push(privateKey('file', DAMAGED_KEY))
  return { format: 'spiffe', parts, isMap, findings }
}

/**
 * Detects a leaked key in the raw text. If the file parsed without errors, its keys were checked one by one, so a full
 * search runs only when the text has the words of a PEM key.
 */
function mayHoldKey(file: Uint8Array, findings: readonly Finding[]): boolean {
  if (findings.some(({ code }) => code === 'private-key')) return false
  const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('latin1')
  return (hasErrors(findings) || /PRIVATE|LS0tLS1CRUdJTi/.test(text)) && holdsPrivateKey(text)
}

const BOM = '\ufeff'

function decode(file: Uint8Array, findings: Finding[]): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file)
  } catch {
    throw new JsonFault('it is not UTF-8', 0)
  }
  if (text.trim() === '') throw new JsonFault('there is nothing', 0)
  if (!text.startsWith(BOM)) return text
  findings.push(byteOrderMark('which JSON forbids'))
  return text.slice(BOM.length)
}

/** SPIFFE_Trust_Domain_and_Bundle §5.1.1. */
function readMap(root: JsonObject, findings: Finding[]): Part[] {
  const domains = root.get('trust_domains')
  for (const name of root.repeated) findings.push(repeated('file', name))
  if (root.members.has('keys'))
    findings.push(malformedBundle(about.input('file'), 'has `trust_domains` and `keys` both: a bundle map or a bundle?'))
  if (!(domains instanceof JsonObject)) {
    findings.push(malformedBundle(about.input('file'), '`trust_domains` is not an object'))
    return []
  }
  for (const repeatedName of domains.repeated) {
    const name = printable(repeatedName)
    findings.push(
      error(
        'duplicate-trust-domain',
        about.trustDomain(name),
        'is there more than once; readers differ on which one counts',
        'ask the publisher to mend the file',
      ),
    )
  }
  return [...domains.members].map(([trustDomain, bundle]) => {
    const name = printable(trustDomain)
    if (bundle instanceof JsonObject) return { trustDomain, ...readKeys(bundle, `${name} `) }
    return { trustDomain, entries: [], findings: [malformedBundle(about.trustDomain(name), 'its bundle is not an object')] }
  })
}
