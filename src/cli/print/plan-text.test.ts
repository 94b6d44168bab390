import { expect, it } from 'vitest'
import { A, B, bundleOf, fakeRoot, federation, NOW, spec, wanted } from '../../../test/support/federations.ts'
import { evidence, observation, pod, service } from '../../../test/support/observations.ts'
import { plan } from '../../core/plan/plan.ts'
import { planText } from './plan-text.ts'

it('says once that versions were not recorded, with several members, istiods and proxies of them', () => {
  const bundles = [bundleOf(A, fakeRoot('a')), bundleOf(B, fakeRoot('b'))] as const
  const intents = wanted(federation(spec()), ...bundles)
  const istiods = ['1.32.0', '1.33.0'].map((version, i) => ({ pod: `istiod-${i}`, revision: `r${i}`, version, env: {} }))
  const pods = ['server', 'client'].flatMap((app) => ['one', 'two'].map((name) => pod(`sample/${app}-${name}`, { app })))
  const proxies = pods.map((one, i) => evidence(one, { inbound: [], outbound: [], denies: [] }, { version: i % 2 ? '1.29.6' : '1.30.1' }))
  const seen = new Map(
    intents.map(({ member }) => {
      const own = member.trustDomain === A ? bundles[0] : bundles[1]
      return [member.name, observation({ own, objects: [...pods, service('sample/server')], istio: { istiods }, proxies })]
    }),
  )
  const made = plan(intents, seen, NOW)
  const found = made.findings.filter(({ code }) => code === 'version-unrecorded')
  expect(new Set(found.map(({ about }) => JSON.stringify(about))).size).toBeGreaterThan(4)
  expect(new Set(found.map(({ subject, message }) => `${subject} ${message}`)).size).toBe(found.length)
  expect(String(planText(made)).match(/version-unrecorded/g)).toHaveLength(1)
})
