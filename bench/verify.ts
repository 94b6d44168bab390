/**
 * Verifying a fleet by evidence, as a ratio per member on this machine: members with 5 trusts and 20 proxies each, every
 * proxy holding what it should and every CA presenting a chain; all of it must come out proven.
 *
 *     npx tsx bench/verify.ts
 */
import { intents } from '../src/core/federation/intents.ts'
import type { Manifest } from '../src/core/model/manifest.ts'
import type { Evidence, Observation, Seens } from '../src/core/model/observed.ts'
import type { MemberName } from '../src/core/model/wanted.ts'
import type { Bundle } from '../src/core/spiffe/bundle.ts'
import { verify } from '../src/core/verify/verdict.ts'
import { makeCa } from '../test/support/ca.ts'
import { approvedOf, domain, NOW } from '../test/support/federations.ts'
import { configOf } from '../test/support/meshes.ts'
import { evidence, facts, ok } from '../test/support/observations.ts'
import { fleet, seen, TRUSTS } from './fleet.ts'
import { processorTime } from './measure.ts'

const SIZES = [250, 500, 1_000]
const RUNS = 3

/** Each mesh with keys of its own: a chain must be under one root of thousands. */
async function authority(i: number) {
  const trustDomain = domain(`cluster-${i}.example`)
  const ca = await makeCa({ trustDomain })
  const { chainDer } = await ca.leaf(`spiffe://${trustDomain}/ns/istio-system/sa/istiod`)
  return { anchor: ca.root.anchor, chainDer }
}

const authorities = await Promise.all(Array.from({ length: Math.max(...SIZES) }, (_, i) => authority(i)))

/** What a mesh's proxies hold: the servers alike, and the clients. */
function proxiesOf(objects: readonly Manifest[], own: Bundle): readonly Evidence[] {
  const byApp = new Map<string, Evidence['config']>()
  return objects
    .filter((object) => object.kind === 'Pod')
    .map((pod) => {
      const app = pod.metadata.labels?.app ?? ''
      const config = byApp.get(app) ?? configOf(pod, objects, own)
      byApp.set(app, config)
      return evidence(pod, config)
    })
}

/** Evidence beside the objects; none of it read before. */
function withEvidence(seens: Seens, bundles: readonly Bundle[]): Seens {
  return new Map(
    [...seens].map(([name, observation], i): [MemberName, Observation] => {
      const own = bundles[i] as Bundle
      const objects = observation.objects.ok ? observation.objects.value : []
      const presented = ok(authorities[i]?.chainDer ?? [])
      return [name, { ...observation, istio: ok(facts(own, { presented })), proxies: ok(proxiesOf(objects, own)) }]
    }),
  )
}

console.log(`\nverify, ${TRUSTS} trusts and 20 proxies for each member, processor time, best of ${RUNS} runs\n`)
console.log('members  trusts  proven     verify')
for (const size of SIZES) {
  const made = fleet(authorities.slice(0, size).map(({ anchor }) => anchor))
  const { federation, bundles, record } = made
  const wanted = intents(federation, approvedOf(...bundles), record, NOW).intents
  let best = Number.POSITIVE_INFINITY
  let proven = 0
  for (let i = 0; i < RUNS; i++) {
    const seens = withEvidence(seen(wanted, made, true), bundles)
    const begun = processorTime()
    const verdicts = verify(federation, wanted, seens, NOW)
    best = Math.min(best, processorTime() - begun)
    proven = verdicts.filter(({ state }) => state === 'proven').length
    if (proven < verdicts.length) throw new Error(`${verdicts.length - proven} trusts are not proven`)
  }
  const cells = [`${size}`.padStart(7), `${size * TRUSTS}`.padStart(7), `${proven}`.padStart(7), best.toFixed(0).padStart(6)]
  console.log(`${cells.join(' ')} ms ${(best / size).toFixed(3).padStart(7)} ms/member`)
}
