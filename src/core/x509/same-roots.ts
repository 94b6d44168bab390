/** Whether two PEM files hold the same certificates, in any order. */
import { splitPem } from './pem.ts'

export const sameRoots = (one: string, other: string): boolean => key(one) === key(other)

const key = (pem: string): string => {
  const blocks = splitPem(Buffer.from(pem)).blocks.map(({ der }) => Buffer.from(der).toString('base64'))
  return blocks.length === 0 ? pem.trim() : [...new Set(blocks)].sort().join(' ')
}
