/** RSA keys that no library makes, and signatures that hold under them: moduli of many small primes, so that roots are found by hand. */
import { generatePrimeSync } from 'node:crypto'
import { leafDer, type OddChain, rootWith } from './odd-keys.ts'
import { algorithm, NULL, padded, resigned, rsaKey, type Signing } from './signed.ts'

interface HandMade {
  readonly signing: Signing
  /** The SubjectPublicKeyInfo; known once something was signed. */
  readonly key: () => Uint8Array
}

const PRIME_BITS = 256

const power = (base: bigint, exponent: bigint, modulus: bigint): bigint => {
  let [result, square] = [1n, base % modulus]
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

/** The modular inverse by Euclid's algorithm; undefined if it does not exist. */
function inverse(of: bigint, modulus: bigint): bigint | undefined {
  let [a, b, x, y] = [of % modulus, modulus, 1n, 0n]
  while (a > 1n) {
    if (b === 0n) return undefined
    ;[a, b, x, y] = [b, a % b, y, x - (a / b) * y]
  }
  return a === 1n ? ((x % modulus) + modulus) % modulus : undefined
}

/** The root of a message modulo a prime; undefined if it has none, or if this method does not find it. */
function rootModulo(message: bigint, exponent: bigint, prime: bigint): bigint | undefined {
  if (prime === 2n) return message % 2n
  const secret = exponent === 2n ? (prime + 1n) / 4n : inverse(exponent, prime - 1n)
  if (secret === undefined) return undefined
  const root = power(message, secret, prime)
  return power(root, exponent, prime) === message % prime ? root : undefined
}

/**
 * @param bits of the modulus, a multiple of 8; it may come out one shorter
 * @param exponent odd, or 2: then primes are taken of which the message is a square
 */
function handMade(bits: number, exponent: bigint, more: { readonly even?: true } = {}): HandMade {
  let modulus = 0n
  const sign = (signed: Uint8Array): Uint8Array => {
    const message = BigInt(`0x${padded(signed, bits / 8).toString('hex')}`)
    let [product, root] = more.even ? [2n, message % 2n] : [1n, 0n]
    for (let left = bits - lengthOf(product); left > 1; left = bits - lengthOf(product)) {
      const prime = generatePrimeSync(left < 2 * PRIME_BITS ? left : PRIME_BITS, { bigint: true, add: 4n, rem: 3n })
      const part = product % prime === 0n ? undefined : rootModulo(message, exponent, prime)
      const back = inverse(product % prime, prime)
      if (part === undefined || back === undefined) continue
      // The Chinese remainder theorem, a prime at a time.
      root += product * (((((part - root) * back) % prime) + prime) % prime)
      product *= prime
    }
    modulus = product
    return Buffer.from(root.toString(16).padStart(bits / 4, '0'), 'hex')
  }
  return {
    signing: { algorithm: algorithm('1.2.840.113549.1.1.11', NULL), sign },
    key: () => {
      if (modulus === 0n) throw new Error('nothing was signed')
      return rsaKey(modulus, exponent)
    },
  }
}

const lengthOf = (value: bigint): number => value.toString(2).length

/** The signature comes first: the key is derived from the signed content. */
function underHandMade(name: string, { signing, key }: HandMade, more: Partial<OddChain> = {}): OddChain {
  const chain = [resigned(leafDer, signing, { issuer: 'odd' })]
  return { name, root: rootWith(key()), chain, valid: false, ...more }
}

/** Chains with consistent numbers: each signature is the root of the padded digest. */
export const HAND_MADE_KEYS: readonly OddChain[] = [
  underHandMade('a modulus of many primes', handMade(2048, 65537n), { valid: true }),
  underHandMade('exponent 2', handMade(2048, 2n), { openssl: true }),
  underHandMade('an even modulus', handMade(2048, 65537n, { even: true })),
  underHandMade('an exponent of 33 bits', handMade(2048, 2n ** 32n + 15n), { openssl: true, envoy: true }),
  underHandMade('an exponent of 34 bits', handMade(2048, 2n ** 33n + 17n), { openssl: true }),
  underHandMade('8192 bits', handMade(8192, 65537n), { valid: true }),
  underHandMade('8448 bits', handMade(8448, 65537n), { openssl: true, go: true, envoy: true }),
  underHandMade('16384 bits', handMade(16384, 65537n), { openssl: true, go: true, envoy: true }),
  underHandMade('16640 bits', handMade(16640, 65537n), { go: true }),
]
