import { describe, expect, it } from 'vitest'
import { expandPrincipals, expandTrustDomains } from './aliases.ts'

const OWN = ['new-td', 'old-td', 'cluster.example']

describe('principals in a mesh with aliases', () => {
  it.each([
    {
      name: 'mean the account in every one of them',
      value: 'old-td/ns/foo/sa/bar',
      becomes: ['new-td/ns/foo/sa/bar', 'old-td/ns/foo/sa/bar', 'cluster.example/ns/foo/sa/bar'],
    },
    {
      name: 'of cluster.local do, too, whatever the trust domain is',
      value: 'cluster.local/ns/foo/sa/bar',
      becomes: ['new-td/ns/foo/sa/bar', 'old-td/ns/foo/sa/bar', 'cluster.example/ns/foo/sa/bar'],
    },
    {
      name: 'by suffix stay for those it matches, and expand once for the others',
      value: '*-td/ns/foo/sa/bar',
      becomes: ['*-td/ns/foo/sa/bar', 'cluster.example/ns/foo/sa/bar'],
    },
    {
      name: 'by prefix become the domains themselves',
      value: 'old*/ns/foo/sa/bar',
      becomes: ['new-td/ns/foo/sa/bar', 'old-td/ns/foo/sa/bar', 'cluster.example/ns/foo/sa/bar'],
    },
    { name: 'of another domain stay', value: 'a.example/ns/foo/sa/bar', becomes: ['a.example/ns/foo/sa/bar'] },
    { name: 'of any domain stay', value: '*/ns/foo/sa/bar', becomes: ['*/ns/foo/sa/bar'] },
    { name: 'with another number of segments stay', value: 'old-td/*', becomes: ['old-td/*'] },
    { name: 'that are one star stay', value: '*', becomes: ['*'] },
  ])('$name', ({ value, becomes }) => {
    expect(expandPrincipals([value], OWN)).toEqual(becomes)
  })
})

describe('trust domains in a mesh with aliases', () => {
  it('expand the ones named literally, each once', () => {
    expect(expandTrustDomains(['old-td', 'new-td', 'old*', 'a.example'], OWN)).toEqual([...OWN, 'old*', 'a.example'])
  })
})
