import { describe, expect, it } from 'vitest'
import { parseMeshConfig, sourcesOf } from './mesh-config.ts'

const parse = (...texts: string[]) => parseMeshConfig('cluster-b', texts)

describe('a mesh config', () => {
  it('has Istio’s defaults where a field is absent', () => {
    expect(parse('')).toEqual({
      trustDomain: 'cluster.local',
      aliases: [],
      extraRoots: 0,
      hidesRoots: false,
      extraDomains: [],
      authorizers: [],
      autoMtls: true,
      xdsAgent: false,
      meshId: 'cluster.local',
      rootNamespace: 'istio-system',
    })
  })

  it('contains the mesh’s trust domain and aliases', () => {
    const config = parse(
      'trustDomain: b.example\ntrustDomainAliases: [old.example]\ncaCertificates: [{pem: x, trustDomains: [a.example]}, {pem: q}]\nextensionProviders: [{name: opa, envoyExtAuthzGrpc: {}}, {name: prom, prometheus: {}}]\nenableAutoMtls: false\nrootNamespace: mesh\ndefaultConfig: {meshId: mesh1}',
    )
    expect(config).toEqual({
      trustDomain: 'b.example',
      aliases: ['old.example'],
      extraRoots: 2,
      hidesRoots: true,
      extraDomains: ['a.example'],
      authorizers: ['opa'],
      autoMtls: false,
      xdsAgent: false,
      meshId: 'mesh1',
      rootNamespace: 'mesh',
    })
  })

  it('overrides the shared one field by field, merges aliases and defaultConfig', () => {
    const config = parse(
      'trustDomain: shared.example\ntrustDomainAliases: [a.example]\ncaCertificates: [{pem: x}]\ndefaultConfig: {meshId: shared}',
      'trustDomain: b.example\ntrustDomainAliases: [b2.example]\ndefaultConfig: {concurrency: 1}',
    )
    expect(config).toMatchObject({ trustDomain: 'b.example', aliases: ['a.example', 'b2.example'], extraRoots: 1, meshId: 'shared' })
  })

  it.each([
    { base: 'caCertificates: [{pem: x}]', hides: true, roots: 1 },
    { base: 'caCertificates: []', hides: true, roots: 0 },
    { base: 'caCertificates:', hides: false, roots: 2 },
    { base: 'trustDomain: b.example', hides: false, roots: 2 },
    { base: '', hides: false, roots: 2 },
  ])('replaces the list of the base, $base, or else of the shared one', ({ base, hides, roots }) => {
    expect(parse('caCertificates: [{pem: q}, {pem: r}]', base)).toMatchObject({ hidesRoots: hides, extraRoots: roots })
  })

  it.each([
    { name: 'no YAML', text: 'a: [', word: 'not YAML' },
    { name: 'no mapping', text: '- a', word: 'not a mapping' },
    { name: 'a trust domain in capitals, which SPIFFE does not allow', text: 'trustDomain: B.example', word: 'B.example' },
  ])('cannot be read with $name', ({ text, word }) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'mesh-config-unreadable', message: expect.stringContaining(word) }))
  })

  it.each([
    { name: 'a wrong trust domain', text: 'trustDomain: Not A Domain', word: 'Not A Domain' },
    { name: 'a placeholder without a value', text: 'trustDomain: $(TRUST_DOMAIN)', word: 'trustDomain' },
    { name: 'a value of another type', text: 'defaultConfig: {proxyMetadata: {A: true}}', word: 'defaultConfig.proxyMetadata.A is true' },
  ])('is rejected as a whole with $name', ({ text, word }) => {
    expect(() => parse('', text)).toThrow(
      expect.objectContaining({ code: 'mesh-config-refused', message: expect.stringMatching(new RegExp(`${word}.*next restart`)) }),
    )
  })

  it('uses the last of two equal keys, as Kubernetes does', () => {
    expect(parse('trustDomain: a.example\ntrustDomain: b.example').trustDomain).toBe('b.example')
  })

  it.each([
    { revision: 'default', env: {}, names: ['istio'] },
    { revision: '1-27', env: {}, names: ['istio-1-27'] },
    { revision: 'default', env: { SHARED_MESH_CONFIG: 'extra' }, names: ['extra', 'istio'] },
  ])('of revision $revision is in $names', ({ revision, env, names }) => {
    expect(sourcesOf(revision, env as Record<string, string>)).toEqual(names)
  })
})
