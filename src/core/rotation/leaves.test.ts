import { beforeAll, describe, expect, it } from 'vitest'
import { makeCa, type TestCa } from '../../../test/support/ca.ts'
import { A, B, bundleOf, federation, member, NOW, wanted } from '../../../test/support/federations.ts'
import { failed, observation, ok, pod } from '../../../test/support/observations.ts'
import { readSecrets } from '../../adapters/envoy/asked-secrets.ts'
import type { Leaf, Seen } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import { printPem } from '../x509/pem.ts'
import { inferred, judgeLeaves, podsInScopes } from './leaves.ts'

const [b] = ['cluster-b'].map(member)
let own: TestCa
let next: TestCa
let stranger: TestCa
let intent: Intent
beforeAll(async () => {
  ;[own, next, stranger] = await Promise.all(
    ['b', 'b next', 'other'].map((name) => makeCa({ trustDomain: B, name })) as [Promise<TestCa>, Promise<TestCa>, Promise<TestCa>],
  )
  intent = wanted(federation(), bundleOf(A, stranger.root.anchor), bundleOf(B, own.root.anchor, next.root.anchor)).find(
    (i) => i.member.name === b,
  ) as Intent
})

const leafOf = async (ca: TestCa, proxy = 'server.sample'): Promise<Leaf> => ({
  proxy,
  chain: (await ca.leaf(`spiffe://${B}/ns/sample/sa/server`)).chainDer,
  roots: [ca.root.anchor.fingerprint],
})
const answers = (...all: readonly (readonly [string, Seen<Leaf>])[]) => new Map(all)

describe('workloads’ own certificates', () => {
  it('are checked where partners verify them: in scopes, at pods with a sidecar', () => {
    const objects = [
      pod('sample/server', { app: 'server' }),
      pod('sample/job', { app: 'server' }, { sidecar: false }),
      pod('sample/other', { app: 'other' }),
    ]
    const seen = observation({ own: own.bundle, objects })
    expect(podsInScopes(intent, seen).map((one) => one.metadata.name)).toEqual(['server'])
  })

  it('are reported with their approved root, the remaining lifetime and the loaded roots', async () => {
    const leaf = await leafOf(next)
    const { leaves, findings } = judgeLeaves(intent, answers(['server.sample', ok(leaf)]), NOW)
    expect(findings).toEqual([])
    expect(leaves).toMatchObject([
      { member: b, proxy: 'server.sample', root: next.root.anchor.fingerprint, holds: [next.root.anchor.fingerprint] },
    ])
  })

  it('are an error under a root without an approval for the mesh', async () => {
    const { leaves, findings } = judgeLeaves(intent, answers(['server.sample', ok(await leafOf(stranger))]), NOW)
    expect(leaves).toMatchObject([{ root: null }])
    expect(findings).toMatchObject([{ code: 'leaf-not-approved', severity: 'error', subject: `${b}: server.sample` }])
  })

  it.each([
    { name: 'a second URI', more: { uris: [`spiffe://${B}/ns/sample/sa/server`, `spiffe://${B}/ns/x/sa/admin`] }, tells: 'URI SAN spiffe' },
    { name: 'a DNS name with a slash', more: { dnsNames: [`${B}/ns/x/sa/admin`] }, tells: `DNS SAN ${B}/ns` },
    { name: 'a subject with a namespace', more: { subject: 'CN=b/ns/x/sa' }, tells: 'subject CN=b/ns/x/sa' },
    { name: 'a subject with an account', more: { subject: 'O=x/sa/y' }, tells: 'subject O=x/sa/y' },
    { name: 'a plain DNS name', more: { dnsNames: ['server.sample.svc'] }, tells: undefined },
    { name: 'a plain subject', more: { subject: 'CN=server' }, tells: undefined },
    {
      name: 'a first URI of another domain',
      more: { uris: [`spiffe://${A}/ns/sample/sa/server`, `spiffe://${B}/ns/sample/sa/server`] },
      tells: undefined,
    },
  ])('with $name are reported if a policy could match it', async ({ more, tells }) => {
    const { chainDer } = await own.leaf(`spiffe://${B}/ns/sample/sa/server`, more)
    const { findings } = judgeLeaves(intent, answers(['server.sample', ok({ proxy: 'server.sample', chain: chainDer, roots: [] })]), NOW)
    expect(findings).toMatchObject(
      tells === undefined
        ? []
        : [{ code: 'own-certificate-names', severity: 'warning', subject: `${b}: server.sample`, message: expect.stringContaining(tells) }],
    )
  })

  it('that could not be requested are reported once for each reason, with the missing right', async () => {
    const no = failed('forbidden')
    const { findings } = judgeLeaves(intent, answers(['a.sample', no], ['b.sample', no], ['c.sample', failed('proxy-unreachable')]), NOW)
    expect(findings).toMatchObject([
      { code: 'leaf-unseen', subject: `${b}: a.sample, b.sample`, hint: expect.stringContaining('deploy/look.yaml') },
      { code: 'leaf-unseen', subject: `${b}: c.sample` },
    ])
  })

  it('are reported by time, without a request, while a mesh has several approved roots', async () => {
    const { chainDer } = await next.leaf(`spiffe://${B}/ns/istio-system/sa/istiod`, { notBefore: new Date(NOW.getTime() - 3_600_000) })
    const seen = new Map([[intent.member.name, observation({ own: own.bundle, istio: { presented: ok(chainDer) } })]])
    expect(inferred([intent], seen, NOW)).toMatchObject([
      { code: 'leaves-inferred', severity: 'info', message: expect.stringContaining(next.root.anchor.fingerprint) },
    ])
    expect(inferred([{ ...intent, own: bundleOf(B, next.root.anchor) }], seen, NOW)).toEqual([])
  })
})

describe('the secrets in Envoy’s config dump', () => {
  const inline = (...ders: readonly Uint8Array[]) => ({ inline_bytes: Buffer.from(ders.map(printPem).join('')).toString('base64') })

  it('contain the chain of its own certificate, and the roots that it loaded', async () => {
    const { chain } = await leafOf(own)
    const configs = [
      { name: 'default', secret: { tls_certificate: { certificate_chain: inline(...chain) } } },
      { name: 'ROOTCA', secret: { validation_context: { trusted_ca: inline(own.root.anchor.der, next.root.anchor.der) } } },
    ]
    const leaf = readSecrets({ configs })
    expect(leaf?.chain.map((der) => Buffer.from(der).toString('base64'))).toEqual(chain.map((der) => Buffer.from(der).toString('base64')))
    expect(leaf?.roots).toEqual([own.root.anchor.fingerprint, next.root.anchor.fingerprint])
  })

  it.each([[{}], [null], [{ configs: [{ name: 'default', secret: {} }] }], ['x']])('are empty for %j', (dump) => {
    expect(readSecrets(dump)).toBeUndefined()
  })
})
