import { describe, expect, it } from 'vitest'
import { parsePrincipal, parseSpiffeId, trustDomainOf, trustDomainOfId } from './spiffe-id.ts'
import { parseTrustDomain } from './trust-domain.ts'

const refused = (parse: () => unknown): boolean => {
  try {
    parse()
    return false
  } catch {
    return true
  }
}

/** Every character there is in Latin-1. */
const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))

describe('trust domains', () => {
  it('accept a-z 0-9 . - _ and no other character', () => {
    expect(characters.filter((char) => !refused(() => parseTrustDomain(`a${char}b`))).join('')).toBe(
      '-.0123456789_abcdefghijklmnopqrstuvwxyz',
    )
  })

  it.each([
    { name: 'empty', text: '' },
    { name: '256 bytes', text: 'a'.repeat(256) },
    { name: 'a port', text: 'a.example:8443' },
    { name: 'a scheme', text: 'spiffe://a.example' },
  ])('reject $name', ({ text }) => {
    expect(() => parseTrustDomain(text)).toThrow(expect.objectContaining({ code: 'trust-domain-invalid' }))
  })

  it('accept 255 bytes, and addresses like any other name', () => {
    expect(parseTrustDomain('a'.repeat(255))).toHaveLength(255)
    expect(parseTrustDomain('10.0.0.1')).toBe('10.0.0.1')
  })
})

describe('SPIFFE IDs', () => {
  it('accept a-z A-Z 0-9 . - _ in a segment and no other character', () => {
    const taken = characters.filter((char) => !refused(() => parseSpiffeId(`spiffe://a.example/a${char}b`)))
    expect(taken.join('')).toBe('-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz')
  })

  it('know their trust domain', () => {
    expect(trustDomainOfId(parseSpiffeId('spiffe://a.example/ns/x/sa/y'))).toBe('a.example')
  })

  it.each([
    'spiffe://a.example',
    'spiffe://a.example/',
    'spiffe:///x',
    'SPIFFE://a.example/x',
    'https://a.example/x',
    'spiffe://A.example/x',
    'spiffe://a.example:80/x',
    'spiffe://u@a.example/x',
    'spiffe://a.example/x/',
    'spiffe://a.example//x',
    'spiffe://a.example/./x',
    'spiffe://a.example/../x',
    'spiffe://a.example/x?y',
    'spiffe://a.example/x#y',
    'spiffe://a.example/%61',
    `spiffe://a.example/${'x'.repeat(2048)}`,
    '',
  ])('reject %s', (text) => {
    expect(() => parseSpiffeId(text)).toThrow(expect.objectContaining({ code: 'spiffe-id-invalid' }))
  })

  it('may be 2048 bytes long', () => {
    expect(parseSpiffeId(`spiffe://a.example/${'x'.repeat(2029)}`)).toHaveLength(2048)
  })
})

describe('principals', () => {
  it.each(['a.example/ns/x/sa/y', 'a.example/ns/x/*', 'a.example/*'])('include %s', (text) => {
    expect(trustDomainOf(parsePrincipal(text))).toBe('a.example')
  })

  it.each([
    'spiffe://a.example/ns/x/sa/y',
    '*',
    'a.example',
    'a.example/ns/x',
    'a.example/ns/x/sa/y/z',
    'a.example/ns/*/sa/y',
    'a.example/ns/x/sa/*',
    'a.example/ns//sa/y',
  ])('do not include %s', (text) => {
    expect(refused(() => parsePrincipal(text))).toBe(true)
  })
})
