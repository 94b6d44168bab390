/**
 * Detects private keys in files that must not contain any: as a PEM block, encrypted, indented, cut or garbled, inside JSON,
 * YAML or another layer of base64, as DER, as PKCS #12. The owner must learn that the key leaked. No part of it is printed.
 */
import { error, type Finding } from '../diagnostics/finding.ts'

/** @param message after the subject; must hold nothing of the key */
export const privateKey = (subject: string, message: string): Finding =>
  error('private-key', subject, message, 'remove it from the file and replace the key: everyone with access to this file has it')

export const DAMAGED_KEY = 'holds a private key, which is damaged, wrapped or encrypted'

/** Whether a PEM label is that of a private key of any kind, damaged ones included: PUBLIC KEY is none. */
export const isKeyLabel = (label: string): boolean => /PRIV|\bKEY\b/i.test(label) && !/PUBLIC|CERTIFICATE/i.test(label)

/** `BEGIN`, `END` or what is left of it before `PRIVATE KEY`; PuTTY's own format. */
const KEY_LINE =
  /(?:BEGIN|END)[ \t_-]+(?:[A-Z0-9]+[ \t_-]+){0,4}PRIVATE[ \t_-]*KEY|---[A-Z0-9]{0,8}[ \t]+(?:[A-Z0-9]+[ \t]+){0,2}PRIVATE[ \t]+KEY|PuTTY-User-Key-File-\d/i
const ARMOUR = /--[ \t]*(?:BEGIN|END)[ \t]+([^\r\n-]{1,60})/gi

/** How many layers of base64 are opened: a Secret's `data` is one. */
const LAYERS = 2
/** Long enough for the start of any key, in characters of base64. */
const SHORTEST = 24

/** Whether there is a private key in a text, in whatever state. Linear in its length. @param text one character a byte */
export function holdsPrivateKey(text: string, layers = LAYERS): boolean {
  // UTF-16 of ASCII: every other byte is zero.
  const plain = text.includes('\u0000') ? text.replaceAll('\u0000', '') : text
  if (KEY_LINE.test(plain)) return true
  for (const [, label = ''] of plain.matchAll(ARMOUR)) if (isKeyLabel(label)) return true
  if (layers === 0) return false
  for (const [run] of plain.matchAll(/[\w+/=\s-]{24,}/g)) {
    const tokens = run.split(/\s+/).filter((token) => token !== '')
    if (tokens.length > 1 && isKeyInBase64(tokens.join(''), layers)) return true
    if (tokens.some((token) => token.length >= SHORTEST && isKeyInBase64(token, layers))) return true
  }
  return false
}

function isKeyInBase64(token: string, layers: number): boolean {
  const bytes = Buffer.from(token, 'base64')
  return isKeyDer(bytes) || holdsPrivateKey(bytes.toString('latin1'), layers - 1)
}

const SEQUENCE = 0x30
/** PKCS #5 and PKCS #12: the encryption schemes of an encrypted PKCS #8. */
const PASSWORD_BASED = ['2a864886f70d0105', '2a864886f70d010c01']

/**
 * PKCS #1, PKCS #8, SEC 1 and PKCS #12 start with a version of 0, 1 or 3, and an encrypted PKCS #8 with its encryption.
 * Only the start is looked at, so that one cut short is known, too.
 */
export function isKeyDer(der: Uint8Array): boolean {
  const first = contentsAt(der, 0)
  if (first === undefined) return false
  if (der[first] === 0x02 && der[first + 1] === 1) return [0, 1, 3].includes(der[first + 2] ?? 0xff)
  const algorithm = contentsAt(der, first)
  if (algorithm === undefined || der[algorithm] !== 0x06) return false
  const oid = Buffer.from(der.subarray(algorithm + 2, algorithm + 12)).toString('hex')
  return PASSWORD_BASED.some((known) => oid.startsWith(known))
}

/** Where the contents of the SEQUENCE at this place start; of whatever length it says to be. */
function contentsAt(der: Uint8Array, at: number): number | undefined {
  const length = der[at + 1]
  if (der[at] !== SEQUENCE || length === undefined || length > 0x84) return undefined
  return at + 2 + (length > 0x80 ? length - 0x80 : 0)
}
