/** The demo's nine steps. Each runs Entente's own commands or real TLS calls, and compares the result with the expected one. */
import type { Step } from '../core/model/planned.ts'
import { attempt, called, callersIn, changesThatWiden, codesOf, emptyPlan, errorsIn, phasesOf, planLines } from './came.ts'
import { type Check, check, type DemoStep } from './demo-step.ts'
import { receiveRoot, writeFederation } from './folder.ts'
import type { Product } from './product.ts'
import type { Scene } from './scene.ts'
import { tamper } from './tamper.ts'

export interface Stage {
  readonly scene: Scene
  readonly entente: Product
}

export type Act = (stage: Stage) => Promise<DemoStep>

const demoStep = (title: string, parts: Partial<DemoStep>): DemoStep => ({
  title,
  commands: [],
  lines: [],
  checks: [],
  meaning: [],
  ...parts,
})

const UNKNOWN_ROOT = 'SELF_SIGNED_CERT_IN_CHAIN'

const before: Act = async ({ scene }) => {
  const { client, server } = scene.people
  await writeFederation(scene.directory)
  return demoStep('Before: neither mesh knows the root of the other', {
    checks: [
      await called(scene, client, server, `rejected by a/client: ${UNKNOWN_ROOT}`),
      await called(scene, client, server, `rejected by b/server: ${UNKNOWN_ROOT}`, { careless: true }),
    ],
    meaning: ['Each side receives a chain that ends in an unknown root. Both sides need the', 'root of the other.'],
  })
}

const approve: Act = async ({ scene, entente }) => {
  const { a, b } = scene.authorities
  const approved = async (member: string, authority: typeof a): Promise<Check> => {
    const pem = await receiveRoot(scene.directory, member, authority)
    const got = await attempt(() => entente.approve(member, pem, authority.root))
    return check(`${member}'s root`, 'approved', got === '0' ? 'approved' : got, authority.root)
  }
  const pem = await receiveRoot(scene.directory, 'cluster-a', a)
  return demoStep('Approve: the root of each mesh, by the fingerprint that its owner reads out', {
    commands: ['entente approve cluster-a --bundle from-owners/cluster-a-root.pem --fingerprint sha256:…   (the same for cluster-b)'],
    checks: [
      check('the wrong fingerprint', 'fingerprint-mismatch', await attempt(() => entente.approve('cluster-a', pem, b.root))),
      await approved('cluster-a', a),
      await approved('cluster-b', b),
      check('the record', 'approve, approve', (await entente.record()).map(({ action }) => action).join(', ')),
    ],
    meaning: ['They are in bundles/<trust-domain>.json for review in Git. audit.jsonl', 'records who approved them, when and why.'],
  })
}

const plan: Act = async ({ entente }) => {
  const made = await entente.plan()
  const widening = (phase: Step['phase']): number => made.steps.filter((step) => step.phase === phase).flatMap(changesThatWiden).length
  return demoStep(`Plan: ${made.steps.length} steps; the restrictions come before what opens`, {
    commands: ['entente plan'],
    lines: planLines(made),
    checks: [
      check('phases', 'guard, open', [...new Set(made.steps.map(({ phase }) => phase))].sort().join(', ')),
      check('opened by guard', '0', String(widening('guard'))),
      check('accepted callers', 'cluster-b.example/ns/sample/sa/reports, cluster-a.example/ns/sample/sa/client', callersIn(made)),
      check('errors', 'none', errorsIn(made)),
    ],
    meaning: ['+ marks what a step opens. Nothing is written yet.'],
  })
}

const apply: Act = async ({ scene, entente }) => {
  const { client, server, reports, orders } = scene.people
  const code = await entente.apply('two meshes, one shop')
  return demoStep('Apply: both directions work, and nothing else changed', {
    commands: ['entente apply --yes --reason "two meshes, one shop"'],
    checks: [
      check('apply', 'exit 0', `exit ${code}`, 'manifests in clusters/a and clusters/b, one file for each object'),
      await called(scene, client, server, 'accepted'),
      await called(scene, reports, orders, 'accepted'),
      await called(scene, reports, server, 'accepted'),
    ],
    meaning: ["The last one is a local call: a mesh's own callers are accepted as before."],
  })
}

const unnamed: Act = async ({ scene }) => {
  const { guest, server } = scene.people
  return demoStep('A caller that is not named: authenticated, but denied', {
    checks: [await called(scene, guest, server, 'TLS accepted, 403')],
    meaning: ['Its certificate is valid. The filter in clusters/b and its policy deny all', 'of cluster-a.example but the named callers.'],
  })
}

const impostors: Act = async ({ scene }) => {
  const { server } = scene.people
  const asks = { careless: true, path: '/admin' }
  const tried = scene.impostors.map(async (liar, i) => [
    await called(scene, liar, server, `rejected by b/server: ${i === 0 ? 'OTHER_ROOT' : 'MORE_THAN_ONE_NAME'}`, asks),
    await called(scene, liar, server, 'accepted', { ...asks, flat: true }),
  ])
  return demoStep('Impostors: the CA of cluster-a signs names of cluster-b', {
    lines: [
      'b/server answers /admin to cluster-b.example/ns/sample/sa/admin and to',
      'namespace admin-ns. One impostor has the first as its SPIFFE ID. The others',
      "have the named caller's SPIFFE ID, and a name of cluster-b as a second URI,",
      'a DNS name or the subject.',
    ],
    checks: (await Promise.all(tried)).flat(),
    meaning: [
      "b/server accepts cluster-a's root for cluster-a.example only, and one name",
      'in each of its certificates. With one flat list, which is what',
      'meshConfig.caCertificates makes of the same two roots, any of these is admin',
      'of cluster-b: policies read every name.',
    ],
  })
}

const settled: Act = async ({ entente }) =>
  demoStep('Plan again: nothing to do', { commands: ['entente plan'], checks: [await emptyPlan(entente)] })

const sever: Act = async ({ scene, entente }) => {
  const { client, server, reports, orders } = scene.people
  const why = 'cluster-a was broken into'
  const code = await entente.sever('cluster-b', 'cluster-a', why)
  const closed = [
    check(
      'sever',
      'exit 1',
      `exit ${code}`,
      'written, and for Entente not in force before Git delivers it; here the peers read the directory',
    ),
    await called(scene, client, server, `rejected by b/server: ${UNKNOWN_ROOT}`),
    await called(scene, reports, orders, `rejected by b/reports: ${UNKNOWN_ROOT}`),
    await called(scene, reports, server, 'accepted'),
  ]
  const next = await entente.plan()
  const held = next.steps.filter((step) => step.gates.some(({ open }) => !open))
  const waiting = [
    check(
      'opened by the next plan',
      '0',
      String(next.steps.flatMap(changesThatWiden).length),
      'although the file still has the trust: severed takes precedence',
    ),
    check('held back', `${next.steps.length} of ${next.steps.length}, clean`, `${held.length} of ${next.steps.length}, ${phasesOf(held)}`),
  ]
  const override = 'the demo has no proxy to ask'
  const cleaned = await entente.apply('clean up', override)
  return demoStep('Sever: rejected again, and not opened again', {
    commands: [
      `entente sever cluster-b cluster-a --yes --reason "${why}"`,
      `entente apply --yes --reason "clean up" --override-gate "${override}"`,
    ],
    checks: [
      ...closed,
      ...waiting,
      check('apply, overriding', 'exit 0', `exit ${cleaned}`),
      check(
        'the record',
        'sever, begin, end, override, begin, end',
        (await entente.record())
          .slice(-6)
          .map(({ action }) => action)
          .join(', '),
      ),
      await called(scene, client, server, `rejected by b/server: ${UNKNOWN_ROOT}`),
      await emptyPlan(entente),
    ],
    meaning: [
      'Entente closes the trust at once. Only the policies that deny cluster-a',
      'stay, until live proxies have dropped its root. Files cannot show that, so',
      'their removal needed an override, which the record names.',
    ],
  })
}

const record: Act = async ({ scene, entente }) => {
  const found = async (how: 'edited' | 'cut' | 'forked', expected: string): Promise<Check> => {
    const audited = await entente.audit(await tamper(scene.directory, how))
    return check(how, expected, codesOf(audited), ...audited.findings.slice(0, 1).map(({ message }) => message))
  }
  const whole = await entente.audit()
  return demoStep('The record is intact, and Entente detects the change in each of three copies', {
    commands: ['entente audit verify'],
    checks: [
      check('audit.jsonl', 'holds', codesOf(whole), `${whole.entries} entries, each with the hash of the one before it`),
      await found('edited', 'record-broken'),
      await found('cut', 'record-forked'),
      await found('forked', 'record-forked'),
    ],
    meaning: ['Truncated and forked copies are valid chains. Entente detects them by the', 'head that each home stores.'],
  })
}

export const STORY: readonly Act[] = [before, approve, plan, apply, unnamed, impostors, settled, sever, record]
