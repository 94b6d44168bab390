/**
 * Reads the CA certificates that Envoy has loaded from its admin port (`/certs`,
 * source/server/admin/server_cmd_handler.cc).
 */
import { X509Certificate } from 'node:crypto'
import { at, list, text } from '../../model/manifest.ts'
import type { Root } from '../state.ts'

export const CERTS_PATH = '/certs'

/** CA certificates of one TLS context, each as serial number and expiry, sorted. Envoy reports no fingerprints. */
export type CaSet = readonly string[]

/**
 * Reads the distinct sets of the contexts that use a file. `/certs` shows an empty path for these, `<inline>` for
 * others.
 */
export function readCerts(certs: unknown): readonly CaSet[] {
  const sets = list(at(certs, 'certificates')).flatMap((context): CaSet[] => {
    const cas = list(at(context, 'ca_cert'))
    if (cas.length === 0 || cas.some((ca) => text(at(ca, 'path')) !== '')) return []
    return [cas.map((ca) => nameOf(text(at(ca, 'serial_number')), text(at(ca, 'expiration_time')))).sort()]
  })
  return [...new Map(sets.map((set) => [set.join(), set])).values()]
}

/**
 * Builds the same set from roots of any domain. Skips entries that are no certificates: Envoy cannot have loaded them.
 */
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
