import { describe, expect, it } from 'vitest'
import { B, bundleOf, fakeRoot, federation, NOW, spec, wanted } from '../../../../test/support/federations.ts'
import { evidence, observation, pod, service } from '../../../../test/support/observations.ts'
import type { IstioFacts, Observation } from '../../model/observed.ts'
import { plan, simulate } from '../../plan/plan.ts'
import { isRecorded } from './untested-version.ts'

describe('a version whose listeners were recorded', () => {
  it.each(['1.31.0', '1.31-alpha.eed52ebb66ad', 'v1.31.4-distroless'])('includes %s', (version) => expect(isRecorded(version)).toBe(true))
  it.each(['1.30.9', '1.32.0', '1.3', 'master', '', undefined])('does not include %s', (version) => expect(isRecorded(version)).toBe(false))
})

describe('a plan that writes a filter', () => {
  const bundles = [bundleOf(federation().members.values().next().value?.trustDomain ?? B, fakeRoot('a')), bundleOf(B, fakeRoot('b'))]
  const intent = wanted(federation(spec()), ...bundles).filter(({ member }) => member.trustDomain === B)
  const servers = ['one', 'two', 'three'].map((name) => pod(`sample/${name}`, { app: 'server' }))
  const NOTHING = { inbound: [], outbound: [], denies: [] }

  const seen = (versions: readonly (string | undefined)[], istiods: IstioFacts['istiods'] = []): Observation => {
    const own = bundles[1] ?? bundleOf(B)
    const proxies = servers.flatMap((one, i) => {
      const { version: _, ...heard } = evidence(one, NOTHING)
      const version = versions[i]
      return [{ ...heard, ...(version === undefined ? {} : { version }) }]
    })
    return observation({ own, objects: [...servers, service('sample/server')], istio: { istiods }, proxies })
  }
  const told = (observation: Observation): readonly string[] =>
    plan(intent, new Map([[intent[0]?.member.name as never, observation]]), NOW)
      .findings.filter(({ code }) => code === 'version-unrecorded')
      .map(({ severity, subject, message }) => `${severity} ${subject}: ${message.split(',')[0]}`)

  it('reports nothing if all proxies run recorded versions', () => {
    expect(told(seen(['1.31.0', '1.31.1', '1.31.2']))).toEqual([])
  })

  it('names the proxies of other versions, one finding for each version', () => {
    expect(told(seen(['1.29.6', '1.31.0', '1.30.1']))).toEqual([
      expect.stringMatching(/^warning cluster-b: sample \(app=server\): one: Istio 1\.29\.6$/),
      expect.stringMatching(/^warning cluster-b: sample \(app=server\): three: Istio 1\.30\.1$/),
    ])
  })

  it('names the proxies that report no version', () => {
    expect(told(seen(['1.31.0', undefined, '1.31.0']))).toEqual([expect.stringMatching(/: two: no version of Istio is told$/)])
  })

  it('names an istiod of another version, because it configures future pods', () => {
    const istiods = [
      { pod: 'istiod-1', revision: 'default', version: '1.31.0', env: {} },
      { pod: 'istiod-2', revision: 'canary', version: '1.32.0', env: {} },
    ]
    expect(told(seen(['1.31.0', '1.31.0', '1.31.0'], istiods))).toEqual([
      'warning cluster-b: istiod istiod-2 (revision canary): Istio 1.32.0',
    ])
  })

  it('reports nothing once it is written: Envoy’s state is then the evidence', () => {
    const before = seen(['1.29.6', '1.31.0', '1.31.0'])
    const { steps } = plan(intent, new Map([[intent[0]?.member.name as never, before]]), NOW)
    expect(steps.some(({ after }) => after?.kind === 'EnvoyFilter')).toBe(true)
    expect(told(steps.reduce(simulate, before))).toEqual([])
  })
})
