/**
 * Detects private keys in files that must not contain any: PEM blocks that are encrypted, indented, cut or garbled,
 * keys inside JSON, YAML or another layer of base64, DER, PKCS #12. The finding informs the owner of the leak and
 * prints no part of the key.
 */
import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'

/** @param message follows the subject; must contain no part of the key */
export const privateKey = (subject: string, message: string): Finding =>
  error(
    'private-key',
    about.input(subject),
    message,
    'remove it from the file and replace the key: everyone with access to this file has it',
  )

export const DAMAGED_KEY = 'holds a private key, which is damaged, wrapped or encrypted'

/** True for the PEM label of any kind of private key, damaged labels included. PUBLIC KEY is not one. */
export const isKeyLabel = (label: string): boolean => /PRIV|\bKEY\b/i.test(label) && !/PUBLIC|CERTIFICATE/i.test(label)

/** `BEGIN` or `END`, or a damaged remainder of them, before `PRIVATE KEY`; also PuTTY's own format. */
const KEY_LINE =
  /(?:BEGIN|END)[ \t_-]+(?:[A-Z0-9]+[ \t_-]+){0,4}PRIVATE[ \t_-]*KEY|---[A-Z0-9]{0,8}[ \t]+(?:[A-Z0-9]+[ \t]+){0,2}PRIVATE[ \t]+KEY|PuTTY-User-Key-File-\d/i
const ARMOUR = /--[ \t]*(?:BEGIN|END)[ \t]+([^\r\n-]{1,60})/gi

/** The number of base64 layers to decode. The `data` of a Secret is one layer. */
const LAYERS = 2
/** The shortest candidate, in base64 characters. The start of any key is at least this long. */
const SHORTEST = 24

/**
 * True if the text contains a private key, even a damaged one. The time is linear in the length.
 * @param text one character per byte
 */
export function holdsPrivateKey(text: string, layers = LAYERS): boolean {
  // In UTF-16, every second byte of ASCII text is zero.
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
/** The OIDs of PKCS #5 and PKCS #12: the encryption schemes of an encrypted PKCS #8. */
const PASSWORD_BASED = ['2a864886f70d0105', '2a864886f70d010c01']

/**
 * PKCS #1, PKCS #8, SEC 1 and PKCS #12 start with a version of 0, 1 or 3. An encrypted PKCS #8 starts with its
 * encryption algorithm. The function reads only the start, so it also detects a truncated key.
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

/** The offset of the contents of the SEQUENCE at this offset. The SEQUENCE may be truncated. */
function contentsAt(der: Uint8Array, at: number): number | undefined {
  const length = der[at + 1]
  if (der[at] !== SEQUENCE || length === undefined || length > 0x84) return undefined
  return at + 2 + (length > 0x80 ? length - 0x80 : 0)
}
