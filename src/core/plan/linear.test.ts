import { describe, expect, it } from 'vitest'
import { approvedOf, NOW } from '../../../test/support/federations.ts'
import { largeMesh } from '../../../test/support/large-mesh.ts'
import { evidence, object } from '../../../test/support/observations.ts'
import { intents } from '../federation/intents.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation, ProxyConfig, Seens } from '../model/observed.ts'
import type { Federation, Intent } from '../model/wanted.ts'
import { verify } from '../verify/verdict.ts'
import { plan } from './plan.ts'

type Work = (wanted: readonly Intent[], observed: Seens, federation: Federation) => void

/** How often the work looks at an object: every read of a member of it counts. */
function looks(size: number, inPlace: boolean, work: Work): number {
  const { federation, bundles, record, seen } = largeMesh(size)
  const wanted = intents(federation, approvedOf(...bundles), record, NOW).intents.slice(0, 1)
  let count = 0
  const watched = (object: Manifest): Manifest =>
    new Proxy(object, {
      get: (target, member) => {
        count++
        return Reflect.get(target, member)
      },
    })
  const observed: Seens = new Map(
    [...seen(wanted, inPlace)].map(([name, one]): [typeof name, Observation] => {
      if (!one.objects.ok) return [name, one]
      const objects = one.objects.value
      const pods = objects.filter(({ kind }) => kind === 'Pod')
      const whole = [...objects, ...policies(pods)].map(watched)
      return [name, { ...one, objects: { ok: true, value: whole }, proxies: { ok: true, value: pods.map((pod) => evidence(pod, CONFIG)) } }]
    }),
  )
  work(wanted, observed, federation)
  return count
}

const CONFIG: ProxyConfig = { inbound: [{ name: 'virtualInbound', tls: 'mutual', sanPrefixes: [] }], outbound: [], denies: [] }

/** A policy of another owner in each namespace, so that the effect of policies is judged for every set. */
const policies = (pods: readonly Manifest[]): readonly Manifest[] =>
  [...new Set(pods.map(({ metadata }) => metadata.namespace ?? ''))].map((namespace) =>
    object('security.istio.io/v1', 'AuthorizationPolicy', `${namespace}/owners`, {
      spec: { rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] },
    }),
  )

const planned =
  (inPlace: boolean): Work =>
  (wanted, observed) =>
    expect(plan(wanted, observed, NOW).steps.length > 0).toBe(!inPlace)
const verified: Work = (wanted, observed, federation) =>
  expect(verify(federation, wanted, observed, NOW)[0]?.proxies.total).toBeGreaterThan(100)

describe('the work for one mesh is proportional to its scopes and objects', () => {
  it.each([
    { what: 'planning with nothing in place', inPlace: false, work: planned(false) },
    { what: 'planning with everything in place', inPlace: true, work: planned(true) },
    { what: 'verifying proxies that hold none of the target', inPlace: true, work: verified },
  ])('$what', ({ inPlace, work }) => {
    const [once, thrice] = [looks(20, inPlace, work), looks(60, inPlace, work)]
    expect(thrice / once).toBeLessThan(3.3)
  })
})
