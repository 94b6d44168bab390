import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runs } from '../../test/support/runs.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { parseManifests } from './directory/tree.ts'
import { parseSyncz, versionOf } from './istiod/debug.ts'
import { parseMeshConfig } from './kubernetes/read/mesh-config.ts'
import { bareInPod } from './kubernetes/read/pods.ts'
import { POD } from './kubernetes/resources.ts'
import { parseLive } from './kubernetes/transport/client.ts'

/** A value, or one of our errors; never anything else. */
function holds(read: () => unknown): void {
  try {
    read()
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FederationError)
  }
}

const PIECES = [
  'apiVersion: v1',
  'kind: ConfigMap',
  'kind: List',
  'metadata: {name: x}',
  'items: [',
  '---',
  'a: &a [*a]',
  '<<: *a',
  '!!binary x',
  '? ',
  '- ',
  '\t',
  '%YAML 1.2',
  '"',
  '{',
  '}',
  ': ',
  '\u2028',
  '\0',
]
const yaml = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string()), { maxLength: 20 }).map((parts) => parts.join('\n')),
)

/** JSON with the names that readers look for, in places where they do not belong. */
const json = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, fc.jsonValue(), fc.array(tie('value'), { maxLength: 3 }), tie('object')),
  object: fc.dictionary(
    fc.constantFrom(
      'metadata',
      'name',
      'namespace',
      'labels',
      'annotations',
      'spec',
      'status',
      'containers',
      'conditions',
      'resources',
      'proxy',
      'configs',
      '@type',
      'versionInfo',
      'type',
    ),
    tie('value'),
    { maxKeys: 5 },
  ),
})).value

describe('every parser of foreign input reads it or rejects it with our own error', () => {
  it.each<[string, fc.Arbitrary<unknown>, (input: never) => unknown]>([
    ['YAML of a tree', yaml, (text: string) => parseManifests('x.yaml', text)],
    ['a mesh config', yaml, (text: string) => parseMeshConfig('b', [text])],
    ['an API server’s object', json, (value: unknown) => parseLive('b', value, POD)],
    ['a pod', json, (value: unknown) => bareInPod(parseLive('b', value, POD))],
    ['istiod’s syncz', json, (value: unknown) => parseSyncz('b', value)],
    ['a config dump’s version', json, (value: unknown) => versionOf(value)],
  ])('%s', (_, inputs, read) => {
    fc.assert(
      fc.property(inputs, (input) => holds(() => read(input as never))),
      runs(500),
    )
  })
})
