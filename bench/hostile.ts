/**
 * `impact` over policies that are made to be slow to match: every namespace pattern, path template and trust domain is
 * one at which a backtracking matcher needs 2^n steps. What counts is the ratio between n and 2n policies in one run.
 *
 *     npx tsx bench/hostile.ts
 */
import { impact } from '../src/core/impact/impact.ts'
import { type Policy, readPolicy } from '../src/core/impact/policy/policy.ts'
import type { Admission } from '../src/core/impact/situation.ts'
import type { Manifest } from '../src/core/model/manifest.ts'
import { bestOf } from './measure.ts'

const SIZES = [1_250, 2_500, 5_000]
const IN_NAMESPACE = 10
const RUNS = 3
/** Twice as many policies may take so many times as long: linear is 2, quadratic 4. */
const LIMIT = 3

const BEFORE: Admission = { trustDomain: 'home.example', aliases: [], extra: [], pinned: [], rootNamespace: 'istio-system' }
const AFTER: Admission = { ...BEFORE, extra: ['partner.example'] }
const STARS = `${'a*'.repeat(20)}b`
const NAME = 'a'.repeat(60)

const rule = (i: number): object => {
  const source = [
    { namespaces: [STARS] },
    { notNamespaces: [STARS] },
    { trustDomains: [`*${'.a'.repeat(50)}`] },
    { principals: [`*/ns/${NAME}/sa/${NAME}`] },
    { serviceAccounts: [`${NAME}/${NAME}`] },
  ][i % 5]
  return { from: [{ source }], to: [{ operation: { paths: [`${'/{*}'.repeat(20)}/b`, `/${'a'.repeat(200)}`] } }] }
}

const policyOf = (i: number): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { namespace: `ns-${Math.floor(i / IN_NAMESPACE)}`, name: `policy-${i}` },
  spec: { action: i % 3 === 0 ? 'DENY' : 'ALLOW', rules: [rule(i)] },
})

function judged(size: number): void {
  const policies: readonly Policy[] = Array.from({ length: size }, (_, i) => readPolicy(policyOf(i)).policy)
  const identities = Array.from({ length: 4 }, (_, i) => `spiffe://partner.example/ns/${NAME}${'a'.repeat(i)}/sa/${NAME}`)
  impact({ admission: BEFORE, policies }, { admission: AFTER, policies }, { accounts: identities })
}

console.log(`\nimpact over hostile policies, ${IN_NAMESPACE} in each namespace, best of ${RUNS} runs\n`)
console.log('policies       wall  a policy  against half as many')
let last: number | undefined
for (const size of SIZES) {
  const wall = bestOf(() => judged(size), RUNS)
  const ratio = last === undefined ? undefined : wall / last
  last = wall
  const late = ratio !== undefined && ratio > LIMIT
  console.log(
    `${`${size}`.padStart(8)} ${wall.toFixed(0).padStart(7)} ms  ${(wall / size).toFixed(3)} ms  ${ratio === undefined ? '' : `${ratio.toFixed(2)}x`}${late ? `   NOT LINEAR (at most ${LIMIT}x)` : ''}`,
  )
  if (late) process.exitCode = 1
}
