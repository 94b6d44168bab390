/** Bad input on real clusters: a clear word, a remedy, the exit code of the contract, and nothing changed. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import type { Rule } from '../testbed/cluster.ts'
import { walkthrough } from '../testbed/topology.ts'
import { aReaches, BOTH, bAccepts, codes, expectCode, MEMBERS, Shop, written } from './shop.ts'

let bed: Bed
let shop: Shop

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  await walkthrough(bed)
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

/** Nothing on the clusters, nothing on the record. */
async function nothingChanged(during: () => Promise<void>): Promise<void> {
  const record = shop.read('audit.jsonl')
  await during()
  expect(await written(bed)).toEqual([])
  expect(shop.read('audit.jsonl')).toBe(record)
}

const member = (changes: object) => MEMBERS.map((each) => (each.name === 'cluster-b' ? { ...each, ...changes } : each))
const both = (trustDomain: string) => MEMBERS.map((each) => ({ ...each, trustDomain }))

describe('a federation file is rejected with line and remedy if it has', () => {
  const files: readonly { what: string; write: () => void; says: RegExp }[] = [
    {
      what: 'an unknown field',
      write: () => shop.write([bAccepts({ caller: ['x'] })]),
      says: /federation\.yaml:\d+: spec\.trust\[0\]\.accept\[0\]\.caller: unknown field "caller"\n +next: did you mean callers\?/,
    },
    {
      what: 'an invalid trust domain',
      write: () => shop.write([], member({ trustDomain: 'Cluster-B' })),
      says: /federation\.yaml:\d+: spec\.members\[1\]\.trustDomain: .*Cluster-B/,
    },
    {
      what: 'the same trust domain twice',
      write: () => shop.write([], both('shared.example')),
      says: /trust domain shared\.example already belongs to member cluster-a\n +next: .*give each mesh a unique trust domain/,
    },
    {
      what: 'cluster.local on both sides',
      write: () => shop.write([], both('cluster.local')),
      says: /cluster\.local.*\n? *next: .*(meshConfig\.trustDomain|default)/s,
    },
    {
      what: 'a caller of another trust domain',
      write: () => shop.write([bAccepts({ callers: ['cluster-b.example/ns/sample/sa/client'] })]),
      says: /is not in the trusted domain cluster-a\.example\n +next: write a principal that begins with cluster-a\.example\//,
    },
    {
      what: 'no callers',
      write: () => shop.write([bAccepts({ callers: [] })]),
      says: /accepts only named callers/,
    },
    { what: 'no YAML', write: () => shop.writeText('spec: [\n'), says: /federation\.yaml:\d+: is not YAML/ },
  ]

  it.each(files)('$what', async ({ write, says }) => {
    await nothingChanged(async () => {
      write()
      for (const command of [['plan'], ['apply', '--reason', 'e2e', '--yes'], ['verify']]) {
        const { stderr, stdout } = expectCode(await shop.run(...command), 1)
        expect(stderr).toMatch(says)
        expect(stderr).toMatch(/error federation-invalid/)
        expect(stdout).toBe('')
        expect(stderr).not.toMatch(/ at .*\.js:\d+/)
      }
    })
  })
})

describe('a plan reports it, and apply changes nothing, if', () => {
  it('the mesh has another trust domain than the file says', async () => {
    await nothingChanged(async () => {
      writeFileSync(shop.file('bundles/cluster-x.example.json'), readFileSync(shop.file('bundles/cluster-b.example.json')))
      shop.write([bAccepts()], member({ trustDomain: 'cluster-x.example' }))
      const plan = await shop.plan()
      expect(plan.code).toBe(1)
      expect(plan.findings).toContainEqual(
        expect.objectContaining({ code: 'trust-domain-differs', subject: 'cluster-b', hint: 'correct trustDomain of member cluster-b' }),
      )
      expectCode(await shop.apply(), 1)
      expectCode(await shop.run('approve', 'cluster-b', '--yes'), 1)
    })
  })

  it('the mesh does not know the service', async () => {
    await nothingChanged(async () => {
      shop.write([aReaches({ services: [{ host: 'billing.sample.svc.cluster.local' }] })])
      const plan = await shop.plan()
      expect(plan.code).toBe(1)
      expect(plan.findings).toContainEqual(
        expect.objectContaining({
          code: 'service-unknown',
          subject: 'billing.sample.svc.cluster.local',
          hint: expect.stringContaining('create the Service in cluster-a'),
        }),
      )
      expect(plan.steps.filter((step) => step.changes.some((change) => change.effect === 'widens'))).toEqual([])
    })
  })

  it('a context is not in the kubeconfig', async () => {
    await nothingChanged(async () => {
      shop.write([bAccepts()], member({ cluster: { context: 'nowhere' } }))
      const { stdout, stderr } = expectCode(await shop.run('plan'), 3)
      expect(stdout + stderr).toMatch(/context-unknown: .*nowhere[\s\S]*next: /)
      expectCode(await shop.apply(), 1)
    })
  })

  it('a cluster does not answer: plan names it, and does not treat the unknown as absent', async () => {
    await nothingChanged(async () => {
      const file = shop.file('unreachable.kubeconfig')
      writeFileSync(file, readFileSync(bed.kubeconfig, 'utf8').replace(bed.b.api.access.server, 'https://127.0.0.1:1'))
      shop.write([bAccepts()])
      const ran = expectCode(await shop.runAs(file, 'plan', '-o', 'json'), 3)
      expect(ran.json).toMatchObject({
        steps: [],
        findings: expect.arrayContaining([expect.objectContaining({ code: 'cluster-unreachable' })]),
      })
      expectCode(await shop.runAs(file, 'apply', '--reason', 'e2e', '--yes'), 1)
      // A trust in one direction only is an error, whatever cluster-b has.
      expectCode(await shop.runAs(file, 'verify'), 1)
    })
  })
})

describe('missing rights are reported with verb and resource', () => {
  const READ: readonly Rule[] = [
    {
      apiGroups: ['', 'discovery.k8s.io'],
      resources: ['configmaps', 'services', 'pods', 'namespaces', 'endpointslices'],
      verbs: ['get', 'list'],
    },
    { apiGroups: ['networking.istio.io', 'security.istio.io'], resources: ['*'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: ['entente'], verbs: ['create'] },
  ]

  /** Their kubeconfig knows cluster-b only. */
  const lone = MEMBERS.map((each) => (each.name === 'cluster-a' ? { ...each, cluster: undefined } : each))

  it('for reading: plan observes nothing, and plans nothing', async () => {
    await nothingChanged(async () => {
      shop.write([bAccepts()], lone)
      const few = READ.map((rule) => ({ ...rule, resources: rule.resources.map((name) => (name === '*' ? 'peerauthentications' : name)) }))
      const ran = expectCode(await shop.runAs(await bed.b.account('few', few), 'plan', '-o', 'json'), 3)
      expect(ran.json).toMatchObject({ steps: [] })
      expect(ran.stdout).toMatch(/"forbidden"/)
      expect(ran.stdout).toContain('list envoyfilters.networking.istio.io')
    })
  })

  it('for writing: plan works, and apply stops before the first write', async () => {
    await nothingChanged(async () => {
      shop.write([bAccepts()], lone)
      const reader = await bed.b.account('reader', READ)
      expectCode(await shop.runAs(reader, 'plan'), 2)
    })
    const record = shop.record().length
    const { stderr } = expectCode(await shop.runAs(await bed.b.account('reader', READ), 'apply', '--reason', 'e2e', '--yes'), 1)
    expect(stderr).toMatch(/forbidden: .*may not (create|patch|update) .*(configmaps|peerauthentications|authorizationpolicies)/)
    expect(stderr).toContain('next: ')
    expect(await written(bed)).toEqual([])
    const after = shop.record()
    expect(after.slice(record).map((entry) => entry.action)).toEqual(expect.not.arrayContaining(['approve', 'sever']))
  })
})

describe('a command is rejected if', () => {
  it('nobody can answer and --yes is missing', async () => {
    await nothingChanged(async () => {
      shop.write(BOTH)
      for (const command of [
        ['apply', '--reason', 'e2e'],
        ['sever', 'cluster-b', 'cluster-a', '--reason', 'e2e'],
      ]) {
        const { stderr } = expectCode(await shop.run(...command), 1)
        expect(stderr).toMatch(/error not-confirmed: [\s\S]*next: .*add --yes/)
      }
      expect(shop.read('federation.yaml')).not.toContain('reason: e2e')
    })
  })

  it.each([
    { what: 'it does not exist', args: ['federate'] },
    { what: 'an option does not exist', args: ['plan', '--force'] },
    { what: 'apply has no reason', args: ['apply', '--yes'] },
    { what: 'it names an unknown member', args: ['approve', 'cluster-z', '--yes'] },
    { what: 'it severs a pair without a trust', args: ['sever', 'cluster-z', 'cluster-a', '--reason', 'x', '--yes'] },
  ])('$what', async ({ args }) => {
    await nothingChanged(async () => {
      const { stdout, stderr } = expectCode(await shop.run(...args), 64)
      expect(stdout).toBe('')
      expect(stderr).not.toBe('')
    })
  })

  it('it consents to a step that is not in the plan', async () => {
    await nothingChanged(async () => {
      shop.write(BOTH)
      const { stderr } = expectCode(await shop.run('apply', '--reason', 'e2e', '--consent', `sha256:${'0'.repeat(64)}`), 1)
      expect(stderr).toMatch(/error not-consented: /)
    })
  })
})

describe('a scope that selects nothing yet', () => {
  it('is a warning, planned and applied', async () => {
    shop.write([bAccepts({ selector: { app: 'later' } })])
    const plan = await shop.plan()
    expect(plan.code).toBe(2)
    expect(plan.findings).toContainEqual(
      expect.objectContaining({ code: 'no-workload', severity: 'warning', hint: expect.stringContaining('labels') }),
    )
    expectCode(await shop.apply(), 0)
    const verdict = await shop.verdict('b')
    expect(verdict.state).not.toBe('proven')
    expect(codes(verdict.findings)).toContain('no-workload')
  })
})
