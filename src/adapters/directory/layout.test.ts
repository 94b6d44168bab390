import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Manifest } from '../../core/model/manifest.ts'
import { layoutPath, printManifest } from './layout.ts'
import { parseManifests } from './tree.ts'

const object = (kind: string, name: string, namespace: string | undefined, fields: object = {}): Manifest => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }), labels: { a: 'b' }, annotations: { c: 'd' } },
  ...fields,
})

describe('an object’s file', () => {
  it.each([
    { kind: 'ConfigMap', path: '10-guard/configmap-sample-x.yaml' },
    { kind: 'AuthorizationPolicy', path: '10-guard/authorizationpolicy-sample-x.yaml' },
    { kind: 'PeerAuthentication', path: '10-guard/peerauthentication-sample-x.yaml' },
    { kind: 'EnvoyFilter', path: '20-open/envoyfilter-sample-x.yaml' },
  ])('of a $kind is $path', ({ kind, path }) => {
    expect(layoutPath(object(kind, 'x', 'sample'))).toBe(path)
  })

  it.each(['../../etc/passwd', 'a/b', '..', '.hidden', 'A B'])('stays inside its folder for the name %j', (name) => {
    expect(layoutPath(object('ConfigMap', name, 'sample'))).toMatch(/^10-guard\/configmap-sample-[^/]+\.yaml$/)
  })

  it.each(['y', 'n', 'yes', 'no', 'on', 'off', 'null', '~', '0o7', '017', '1_000', '0x1f', '1e3', '12:30:45', '=', '<<', '2026-11-21'])(
    'reads as the same text %j under YAML 1.1',
    (value) => {
      expect(parse(printManifest(object('ConfigMap', 'x', 'sample', { data: { value } })), { version: '1.1' })).toMatchObject({
        data: { value },
      })
    },
  )

  it('survives a round trip, whatever it contains', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((k) => k !== '__proto__' && k !== '<<'),
          fc.string({ unit: 'binary' }),
        ),
        fc.string(),
        (data, why) => {
          const wanted = object('ConfigMap', 'x', 'sample', { data })
          expect(parseManifests('x.yaml', printManifest(wanted, why))).toEqual([wanted])
        },
      ),
      { numRuns: 300 },
    )
  })

  it('keeps comments as comments, whatever they contain', () => {
    const text = printManifest(object('ConfigMap', 'x', 'sample'), 'because\nkind: Secret\r\n\u2028evil: yes\u0085more: yes')
    expect(parse(text, { version: '1.1' })).toEqual(object('ConfigMap', 'x', 'sample'))
    expect(text.startsWith('# because\n# kind: Secret\n#\n# evil: yes\n# more: yes\napiVersion: v1\n')).toBe(true)
  })

  it('contains PEM as a readable block', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
    expect(printManifest(object('ConfigMap', 'x', 'sample', { data: { 'a.pem': pem } }))).toContain(
      '  a.pem: |\n    -----BEGIN CERTIFICATE-----\n',
    )
  })
})
