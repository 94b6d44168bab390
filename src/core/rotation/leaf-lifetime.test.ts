import { describe, expect, it } from 'vitest'
import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import { longestLeaf } from './leaf-lifetime.ts'

const pod = (name: string, ttl?: string, container = 'istio-proxy'): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'sample' },
  spec: { containers: [{ name: container, env: ttl === undefined ? [] : [{ name: 'SECRET_TTL', value: ttl }] }] },
})
const seen = (pods: readonly Manifest[], near: readonly Manifest[] = [], env: Record<string, string> = {}): Observation =>
  ({
    objects: { ok: true, value: near },
    pods: { ok: true, value: pods },
    istio: { ok: true, value: { istiods: [{ pod: 'istiod-1', revision: 'default', env }] } },
  }) as unknown as Observation
const HOUR = 3_600_000

describe('the longest lifetime of a leaf', () => {
  it.each([
    { what: 'a day if no pod requests another', of: seen([pod('a')]), hours: 24 },
    { what: 'the longest that a pod requests', of: seen([pod('a', '1h30m'), pod('b', '48h0m0s')]), hours: 48 },
    { what: 'less than a day if all pods request less', of: seen([pod('a', '90m'), pod('b', '1h')]), hours: 1.5 },
    { what: 'a day if one pod uses the default', of: seen([pod('a', '90m'), pod('b')]), hours: 24 },
    { what: 'a day if it is not a duration', of: seen([pod('a', 'soon')]), hours: 24 },
    { what: 'independent of other containers', of: seen([pod('a', '99h', 'app'), pod('b', '1h')]), hours: 1 },
    { what: 'istiod’s default if there is no pod', of: seen([], [], { DEFAULT_WORKLOAD_CERT_TTL: '3m' }), hours: 0.05 },
    { what: 'at least a day if only some pods are observed', of: { ...seen([], [pod('a', '1h')]), pods: undefined }, hours: 24 },
    { what: 'a day for a mesh that was not observed', of: undefined, hours: 24 },
  ])('is $what', ({ of, hours }) => {
    expect(longestLeaf(of as Observation | undefined).milliseconds).toBe(hours * HOUR)
  })
})
