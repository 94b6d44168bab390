import { describe, expect, it } from 'vitest'
import { allow, deny, from, when } from '../../../test/support/authorization.ts'
import { A, approvedOf, authority, B, bundleOf, CLIENT, federation, NOW, recordOf, spec } from '../../../test/support/federations.ts'
import { facts, object, observation, pod, service } from '../../../test/support/observations.ts'
import { intents } from '../federation/intents.ts'
import { MeshView } from '../mesh/mesh-view.ts'
import type { Manifest } from '../model/manifest.ts'
import { MANAGED_BY } from '../model/manifest.ts'
import type { IstioFacts } from '../model/observed.ts'
import { course } from '../plan/course.ts'
import { plan } from '../plan/plan.ts'
import { EMPTY, noInbound } from '../trust/state.ts'
import { plannedImpact } from './planned-impact.ts'

const policy = (where: string, specOf: object): Manifest => object('security.istio.io/v1', 'AuthorizationPolicy', where, { spec: specOf })

const [a, b] = await Promise.all([authority(A), authority(B)])
const bundles = [bundleOf(A, a.root.anchor), bundleOf(B, b.root.anchor)] as const

/** What the plan of cluster-b says of policies, when it takes callers of cluster-a in at its server. */
function told(policies: readonly Manifest[], more: { callers?: unknown; istio?: Partial<IstioFacts> } = {}): readonly string[] {
  const written = federation(
    spec((s) => {
      s.trust = s.trust.filter(({ truster }) => truster === 'cluster-b')
      if (more.callers !== undefined)
        for (const trust of s.trust) for (const accept of trust.accept as { callers: unknown }[]) accept.callers = more.callers
    }),
  )
  const wanted = intents(written, approvedOf(...bundles), recordOf(...bundles), NOW).intents
  const objects = {
    a: [pod('sample/client-1', { app: 'client' })],
    b: [pod('sample/server-1', { app: 'server' }), service('sample/server'), ...policies],
  }
  const seen = new Map(
    wanted.map(({ member }) => {
      const [own, of] = member.trustDomain === A ? [bundles[0], objects.a] : [bundles[1], objects.b]
      return [member.name, observation({ own, objects: of, istio: member.trustDomain === A ? {} : (more.istio ?? {}) })] as const
    }),
  )
  const { findings } = plan(wanted, seen, NOW)
  return findings
    .filter(({ code }) => code.startsWith('impact') || code.startsWith('caller-') || code.startsWith('policy-'))
    .map(({ code, severity, subject, message }) => `${severity} ${code}: ${subject}: ${message}`)
}

describe('a plan', () => {
  it('reports nothing if no foreign policy exists', () => {
    expect(told([])).toEqual([])
  })

  it('reports nothing if policies accept only the callers', () => {
    expect(
      told([policy('sample/everybody', allow({})), policy('sample/audit', { action: 'AUDIT', rules: [{}] }), policy('other/strict', {})]),
    ).toEqual([])
  })

  it('reports which callers existing policies reject, and names the policy', () => {
    expect(told([policy('sample/locals', allow(from({ principals: [`${B}/*`] })))])).toEqual([
      `warning caller-still-denied: cluster-b: sample (app=server): ${A}/ns/sample/sa/client is one of the callers, but is refused: no ALLOW policy matches it (sample/locals)`,
    ])
    expect(told([policy('istio-system/no-sample', deny(from({ namespaces: ['sample'] })))])[0]).toMatch(
      /AuthorizationPolicy istio-system\/no-sample denies it/,
    )
    expect(told([policy('sample/elsewhere', { selector: { matchLabels: { app: 'other' } } })])).toEqual([])
  })

  it('reports whom existing policies accept if callers is all', () => {
    const [finding, ...rest] = told([policy('sample/by-namespace', allow(from({ namespaces: ['sample'] })))], { callers: 'all' })
    expect(finding).toMatch(
      /^info impact-widens: cluster-b: sample \(app=server\): AuthorizationPolicy sample\/by-namespace: accepts cluster-a\.example\/ns\/sample\/\*, because callers is all/,
    )
    expect(finding).toMatch(/carries no trust domain/)
    expect(rest).toEqual([])
  })
})

describe('a policy that decides by an address from x-forwarded-for', () => {
  const blocks = { remoteIpBlocks: ['10.0.0.0/8'] }
  const open = allow({})
  const by = (...sources: readonly object[]) => allow(from(...sources))
  const foreign = { principals: [`${A}/*`] }
  const local = { principals: [`${B}/*`] }

  it.each([
    { name: 'an ALLOW in the namespace', where: 'sample/x', spec: by(blocks), by: 'remoteIpBlocks' },
    { name: 'a DENY in the namespace', where: 'sample/x', spec: deny(from(blocks)), by: 'remoteIpBlocks' },
    { name: 'a CUSTOM in the namespace', where: 'sample/x', spec: { ...deny(from(blocks)), action: 'CUSTOM' }, by: 'remoteIpBlocks' },
    { name: 'one in the root namespace', where: 'istio-system/x', spec: by(blocks), by: 'remoteIpBlocks' },
    { name: 'notRemoteIpBlocks', where: 'sample/x', spec: deny(from({ notRemoteIpBlocks: ['10.0.0.0/8'] })), by: 'notRemoteIpBlocks' },
    { name: 'when remote.ip', where: 'sample/x', spec: allow(when('remote.ip', ['10.0.0.0/8'])), by: 'remote.ip' },
    { name: 'when remote.ip is not', where: 'sample/x', spec: allow(when('remote.ip', [], ['10.0.0.0/8'])), by: 'remote.ip' },
    {
      name: 'a selector that selects',
      where: 'sample/x',
      spec: { selector: { matchLabels: { app: 'server' } }, ...by(blocks) },
      by: 'remoteIpBlocks',
    },
    { name: 'a rule for foreign principals', where: 'sample/x', spec: by({ ...blocks, ...foreign }), by: 'remoteIpBlocks' },
    {
      name: 'a rule for a namespace of that name',
      where: 'sample/x',
      spec: by({ ...blocks, namespaces: ['sample'] }),
      by: 'remoteIpBlocks',
    },
    { name: 'one rule of two', where: 'sample/x', spec: by(local, blocks), by: 'remoteIpBlocks' },
  ])('is reported: $name', ({ where, spec, by: name }) => {
    const found = told([policy(where, spec)]).filter((line) => line.includes('policy-by-address'))
    expect(found).toEqual([
      `warning policy-by-address: cluster-b: AuthorizationPolicy ${where}: decides by ${name} at sample (app=server): a sidecar reads that address from the header x-forwarded-for, which callers from another mesh can set`,
    ])
  })

  it.each([
    { name: 'ipBlocks, the address of the connection', where: 'sample/x', spec: by({ ipBlocks: ['10.0.0.0/8'] }) },
    { name: 'when source.ip', where: 'sample/x', spec: allow(when('source.ip', ['10.0.0.0/8'])) },
    { name: 'another namespace', where: 'other/x', spec: by(blocks) },
    { name: 'a selector that does not select', where: 'sample/x', spec: { selector: { matchLabels: { app: 'other' } }, ...by(blocks) } },
    { name: 'a rule for local principals only', where: 'sample/x', spec: by({ ...blocks, ...local }) },
    { name: 'a rule for another namespace’s accounts', where: 'sample/x', spec: by({ ...blocks, namespaces: ['other'] }) },
    { name: 'an AUDIT', where: 'sample/x', spec: { action: 'AUDIT', ...by(blocks) } },
    { name: 'no address at all', where: 'sample/x', spec: open },
  ])('is not reported: $name', ({ where, spec }) => {
    expect(told([policy(where, spec)]).filter((line) => line.includes('policy-by-address'))).toEqual([])
  })

  it('for another namespace is reported if callers is all', () => {
    const [found] = told([policy('sample/x', by({ ...blocks, namespaces: ['other'] }))], { callers: 'all' }).filter((line) =>
      line.includes('policy-by-address'),
    )
    expect(found).toMatch(/sample\/x: decides by remoteIpBlocks/)
  })

  it('is listed up to ten times, and then counted', () => {
    const many = Array.from({ length: 13 }, (_, i) => policy(`sample/x${i}`, by(blocks)))
    const found = told(many).filter((line) => line.includes('policy-by-address'))
    expect(found).toHaveLength(11)
    expect(found.at(-1)).toContain('cluster-b: 3 more')
  })
})

describe('a callers rule that is not in force', () => {
  it('lets existing policies accept more than the callers, and plan reports that', () => {
    const written = federation(spec((s) => s.trust.splice(1)))
    const [, intent] = intents(written, approvedOf(...bundles), recordOf(...bundles), NOW).intents
    const others = [pod('sample/server-1', { app: 'server' }), policy('sample/by-namespace', allow(from({ namespaces: ['sample'] })))]
    const seen = observation({ own: bundles[1], objects: others })
    const going = intent === undefined ? undefined : course(intent, seen)
    if (intent === undefined || going === undefined || !seen.istio.ok) throw new Error('nothing to judge')
    const accounts = () => [`spiffe://${A}/ns/sample/sa/intruder`]
    const findings = plannedImpact({
      intent,
      facts: seen.istio.value,
      states: going,
      objects: { before: new MeshView(others), after: new MeshView(others) },
      accounts,
    })
    expect(findings).toMatchObject([
      {
        code: 'impact-past-callers',
        severity: 'warning',
        subject: 'cluster-b: sample (app=server): AuthorizationPolicy sample/by-namespace',
        message: expect.stringMatching(
          /accepts cluster-a\.example\/ns\/sample\/\* in addition to the callers: .*; for example spiffe:\/\/cluster-a\.example\/ns\/sample\/sa\/intruder$/,
        ),
        hint: 'add principals: ["cluster-b.example/*"] to its source',
      },
    ])
  })
})

describe('a whole mesh that accepts a domain', () => {
  const callers = object(
    'security.istio.io/v1',
    'AuthorizationPolicy',
    'istio-system/entente-accept-mesh',
    { spec: deny(from({ principals: [`${A}/*`], notPrincipals: [CLIENT] })) },
    { labels: { [MANAGED_BY]: 'entente' } },
  )
  const meshWide = {
    ...noInbound({ namespace: 'istio-system' }),
    roots: new Map([[A, [a.root.anchor]]]),
    callers: new Map([[A, [CLIENT]]]),
  }
  const [, intent] = intents(federation(), approvedOf(...bundles), recordOf(...bundles), NOW).intents
  const told = (others: readonly Manifest[], istio: Partial<IstioFacts> = {}) => {
    if (intent === undefined) throw new Error('nothing to judge')
    const states = { before: EMPTY, after: { ...EMPTY, meshWide } }
    const objects = { before: new MeshView(others), after: new MeshView([...others, callers]) }
    return plannedImpact({ intent, facts: facts(bundles[1], istio), states, objects, accounts: () => [] })
  }

  it('accepts its callers by the existing policies, and nobody else', () => {
    expect(told([policy('sample/by-namespace', allow(from({ namespaces: ['sample'] }))), policy('other/everybody', allow({}))])).toEqual([])
  })

  it('accepts more where the callers rule does not apply: at a waypoint', () => {
    const spec = { targetRefs: [{ group: '', kind: 'Service', name: 'server' }], ...allow(from({ namespaces: ['sample'] })) }
    expect(told([policy('sample/by-waypoint', spec)])).toMatchObject([
      {
        code: 'impact-past-callers',
        subject: 'cluster-b: the whole mesh: AuthorizationPolicy sample/by-waypoint',
        message: expect.stringContaining(`${A}/ns/sample/*`),
      },
    ])
  })

  it('changes nothing if the mesh config already accepted that domain', () => {
    const spec = { targetRefs: [{ group: '', kind: 'Service', name: 'server' }], ...allow({}) }
    expect(told([policy('sample/by-waypoint', spec)], { extraDomains: [A] })).toEqual([])
  })
})
