/** The demo's nine steps. Each does something, by Entente's own commands or over real TLS, and says what was to come of it. */
import type { Step } from '../core/model/planned.ts'
import { attempt, called, callersIn, changesThatWiden, codesOf, emptyPlan, errorsIn, phasesOf, planLines } from './came.ts'
import { receiveRoot, writeFederation } from './folder.ts'
import type { Product } from './product.ts'
import type { Scene } from './scene.ts'
import { tamper } from './tamper.ts'
import { type Check, check, type Told } from './told.ts'

export interface Stage {
  readonly scene: Scene
  readonly entente: Product
}

export type Act = (stage: Stage) => Promise<Told>

const told = (title: string, parts: Partial<Told>): Told => ({ title, commands: [], lines: [], checks: [], meaning: [], ...parts })

const UNKNOWN_ROOT = 'SELF_SIGNED_CERT_IN_CHAIN'

const before: Act = async ({ scene }) => {
  const { client, server } = scene.people
  await writeFederation(scene.directory)
  return told('Before: neither mesh knows the root of the other', {
    checks: [
      await called(scene, client, server, `refused by a/client: ${UNKNOWN_ROOT}`),
      await called(scene, client, server, `refused by b/server: ${UNKNOWN_ROOT}`, { careless: true }),
    ],
    meaning: ['Each side sees a chain that ends in a root nobody told it of. Both sides have to be told.'],
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
  return told('Approve: the root of each mesh, by the fingerprint that its owner reads out', {
    commands: ['entente approve cluster-a --bundle from-owners/cluster-a-root.pem --fingerprint sha256:…   (and so for cluster-b)'],
    checks: [
      check('the wrong fingerprint', 'fingerprint-mismatch', await attempt(() => entente.approve('cluster-a', pem, b.root))),
      await approved('cluster-a', a),
      await approved('cluster-b', b),
      check('the record', 'approve, approve', (await entente.record()).map(({ action }) => action).join(', ')),
    ],
    meaning: ['They stand in bundles/<trust-domain>.json for review in Git, and in audit.jsonl with who approved them, when and why.'],
  })
}

const plan: Act = async ({ entente }) => {
  const made = await entente.plan()
  const widening = (phase: Step['phase']): number => made.steps.filter((step) => step.phase === phase).flatMap(changesThatWiden).length
  return told(`Plan: ${made.steps.length} steps; first all that only restricts, then what opens`, {
    commands: ['entente plan'],
    lines: planLines(made),
    checks: [
      check('phases', 'guard, open', [...new Set(made.steps.map(({ phase }) => phase))].sort().join(', ')),
      check('widened by guard', '0', String(widening('guard'))),
      check('callers let in', 'cluster-b.example/ns/sample/sa/reports, cluster-a.example/ns/sample/sa/client', callersIn(made)),
      check('errors', 'none', errorsIn(made)),
    ],
    meaning: ['+ is what a step lets in. Nothing is written yet.'],
  })
}

const apply: Act = async ({ scene, entente }) => {
  const { client, server, reports, orders } = scene.people
  const code = await entente.apply('two meshes, one shop')
  return told('Apply: both directions work, and nothing else has changed', {
    commands: ['entente apply --yes --reason "two meshes, one shop"'],
    checks: [
      check('apply', 'exit 0', `exit ${code}`, 'manifests in clusters/a and clusters/b, one file for each object'),
      await called(scene, client, server, 'accepted'),
      await called(scene, reports, orders, 'accepted'),
      await called(scene, reports, server, 'accepted'),
    ],
    meaning: ["The last one is a local call: a mesh's own callers come in as before."],
  })
}

const unnamed: Act = async ({ scene }) => {
  const { guest, server } = scene.people
  return told('A caller that is not named: known, and not let in', {
    checks: [await called(scene, guest, server, 'TLS accepted, 403')],
    meaning: [
      'Its certificate is good. The filter in clusters/b and the policy beside it deny all of cluster-a.example but the named callers.',
    ],
  })
}

const impostors: Act = async ({ scene }) => {
  const { server } = scene.people
  const asks = { careless: true, path: '/admin' }
  const tried = scene.impostors.map(async (liar, i) => [
    await called(scene, liar, server, `refused by b/server: ${i === 0 ? 'OTHER_ROOT' : 'MORE_THAN_ONE_NAME'}`, asks),
    await called(scene, liar, server, 'accepted', { ...asks, flat: true }),
  ])
  return told('Impostors: the CA of cluster-a signs names of cluster-b', {
    lines: [
      'b/server answers /admin to cluster-b.example/ns/sample/sa/admin and to namespace admin-ns. One impostor shows the first of',
      "them; the others show the named caller's own SPIFFE ID, and a name of cluster-b as a second URI, a DNS name or the subject.",
    ],
    checks: (await Promise.all(tried)).flat(),
    meaning: [
      "b/server takes cluster-a's root for cluster-a.example only, and one name in each certificate of it. As one flat list, which",
      'is what meshConfig.caCertificates makes of the same two roots, any of these is admin of cluster-b: policies read every name.',
    ],
  })
}

const settled: Act = async ({ entente }) =>
  told('Plan again: nothing to do', { commands: ['entente plan'], checks: [await emptyPlan(entente)] })

const sever: Act = async ({ scene, entente }) => {
  const { client, server, reports, orders } = scene.people
  const why = 'cluster-a was broken into'
  const code = await entente.sever('cluster-b', 'cluster-a', why)
  const closed = [
    check('sever', 'exit 0', `exit ${code}`),
    await called(scene, client, server, `refused by b/server: ${UNKNOWN_ROOT}`),
    await called(scene, reports, orders, `refused by b/reports: ${UNKNOWN_ROOT}`),
    await called(scene, reports, server, 'accepted'),
  ]
  const next = await entente.plan()
  const held = next.steps.filter((step) => step.gates.some(({ open }) => !open))
  const waiting = [
    check(
      'widened by the next plan',
      '0',
      String(next.steps.flatMap(changesThatWiden).length),
      'although the file still has the trust: severed outranks it',
    ),
    check('held back', `${next.steps.length} of ${next.steps.length}, clean`, `${held.length} of ${next.steps.length}, ${phasesOf(held)}`),
  ]
  const override = 'no proxy can be asked in a demo'
  const cleaned = await entente.apply('clean up', override)
  return told('Sever: refused again, and not re-opened', {
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
      await called(scene, client, server, `refused by b/server: ${UNKNOWN_ROOT}`),
      await emptyPlan(entente),
    ],
    meaning: [
      'It is closed at once. Only the policies that deny cluster-a stay, until live proxies are seen to have let go of its root:',
      'files cannot show that, so taking them away took an override, which the record names.',
    ],
  })
}

const record: Act = async ({ scene, entente }) => {
  const found = async (how: 'edited' | 'cut' | 'forked', expected: string): Promise<Check> => {
    const audited = await entente.audit(await tamper(scene.directory, how))
    return check(how, expected, codesOf(audited), ...audited.findings.slice(0, 1).map(({ message }) => message))
  }
  const whole = await entente.audit()
  return told('The record: it holds, and what was done to three copies of it is found', {
    commands: ['entente audit verify'],
    checks: [
      check('audit.jsonl', 'holds', codesOf(whole), `${whole.entries} entries, each with the hash of the one before it`),
      await found('edited', 'record-broken'),
      await found('cut', 'record-forked'),
      await found('forked', 'record-forked'),
    ],
    meaning: ['Cut and forked copies are chains without a flaw: the homes, which remember the head they saw, give them away.'],
  })
}

export const STORY: readonly Act[] = [before, approve, plan, apply, unnamed, impostors, settled, sever, record]
