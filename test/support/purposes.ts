/** Chains with an extended key usage at one place: what the leaf may then be to Go, and to Envoy with a flat list of roots. */
import type { Purpose } from '../../src/core/x509/purposes.ts'
import { type Certified, makeCa, type TestCa, type TestLeaf } from './ca.ts'

const CLIENT = '1.3.6.1.5.5.7.3.2'
const SERVER = '1.3.6.1.5.5.7.3.1'
const ANY = '2.5.29.37.0'
const CODE = '1.3.6.1.5.5.7.3.3'

export interface PurposeCase {
  readonly name: string
  readonly ca: TestCa
  readonly leaf: TestLeaf
  readonly go: readonly Purpose[]
  readonly envoy: readonly Purpose[]
}

const BOTH: readonly Purpose[] = ['clientAuth', 'serverAuth']

const USAGES: readonly (Pick<PurposeCase, 'name' | 'go' | 'envoy'> & { readonly usage: readonly string[] | false })[] = [
  { name: 'none', usage: false, go: BOTH, envoy: BOTH },
  { name: 'both', usage: [CLIENT, SERVER], go: BOTH, envoy: BOTH },
  { name: 'for clients', usage: [CLIENT], go: ['clientAuth'], envoy: ['clientAuth'] },
  { name: 'for servers', usage: [SERVER], go: ['serverAuth'], envoy: ['serverAuth'] },
  { name: 'for anything', usage: [ANY], go: BOTH, envoy: [] },
  { name: 'for code signing', usage: [CODE], go: [], envoy: [] },
  { name: 'for clients and code signing', usage: [CLIENT, CODE], go: ['clientAuth'], envoy: ['clientAuth'] },
]

export const purposeCases = async (): Promise<readonly PurposeCase[]> =>
  Promise.all(
    (['the leaf', 'an intermediate', 'the root'] as const).flatMap((where) =>
      USAGES.map(async ({ name, usage, go, envoy }): Promise<PurposeCase> => {
        const at = (place: typeof where): Partial<Certified> => (place === where ? { extendedKeyUsage: usage } : {})
        const ca = await makeCa({ trustDomain: 'a.example', root: at('the root') })
        const intermediate = await ca.intermediate('intermediate', at('an intermediate'))
        const leaf = await intermediate.leaf('spiffe://a.example/ns/x/sa/y', at('the leaf'))
        // BoringSSL asks a root for nothing.
        return { name: `${name}, at ${where}`, ca, leaf, go, envoy: where === 'the root' ? BOTH : envoy }
      }),
    ),
  )
