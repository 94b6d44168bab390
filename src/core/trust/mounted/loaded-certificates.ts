/** What Envoy's admin port tells of the CA certificates that it has loaded (`/certs`, source/server/admin/server_cmd_handler.cc). */
import { X509Certificate } from 'node:crypto'
import { at, list, text } from '../../model/manifest.ts'
import type { Root } from '../state.ts'

export const CERTS_PATH = '/certs'

/** One TLS context's CA certificates, each as serial number and end, sorted: Envoy tells no fingerprints. */
export type CaSet = readonly string[]

/** Of the contexts that judge by a file (those have no path there, others `<inline>`), each set once. */
export function readCerts(certs: unknown): readonly CaSet[] {
  const sets = list(at(certs, 'certificates')).flatMap((context): CaSet[] => {
    const cas = list(at(context, 'ca_cert'))
    if (cas.length === 0 || cas.some((ca) => text(at(ca, 'path')) !== '')) return []
    return [cas.map((ca) => nameOf(text(at(ca, 'serial_number')), text(at(ca, 'expiration_time')))).sort()]
  })
  return [...new Map(sets.map((set) => [set.join(), set])).values()]
}

/** The same of roots, in whatever domain. What is no certificate Envoy would not have loaded. */
export function caSetOf(roots: Iterable<Root>): CaSet {
  return [...roots]
    .flatMap(({ der }) => {
      try {
        const { serialNumber, validTo } = new X509Certificate(der)
        return [nameOf(serialNumber, validTo)]
      } catch {
        return []
      }
    })
    .sort()
}

const nameOf = (serial: string, end: string): string => `${serial.toLowerCase().replace(/^0+(?=.)/, '')} ${new Date(end).getTime() / 1000}`
