import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEndpointUrl } from '../spiffe/endpoint.ts'
import { shownUrl, withoutCredentials } from './credentials.ts'
import { FederationError } from './errors.ts'

const URLS = [
  'https://user:PW@h',
  'https:/user:PW@h',
  'https:user:PW@h',
  'https:\\\\user:PW@h',
  'https:\\user:PW@h/x',
  'https:////user:PW@h',
  'HTTPS://user:PW@h/x',
  'hTtP:user:PW@h',
  ' https://user:PW@h',
  'ht\ttps://user:PW@h',
  'https:/\t/user:PW@h',
  'https:\n//us\ner:PW@h',
  '//user:PW@h',
  'https://PW@h',
  'https://:PW@h',
  'https://us%40er:PW@h',
  'https://user:PW%40h',
  'https%3A%2F%2Fuser:PW@h',
  'https://user:x@PW@h',
  'https://user:PW/x@h',
  'https://user:PW?x@h',
  'https://user:PW#x@h',
  'ftp://user:PW@h',
  'postgres://user:PW@h/db',
  'spiffe://user:PW@td/x',
  'user:PW@h',
  'https://h/bundle?token=PW',
  'https://h?access_token=PW#x',
  'https:h/bundle?token=PW',
]

describe('a URL in a message', () => {
  it.each(URLS)('never shows a password: %j', (url) => {
    expect(shownUrl(url)).not.toContain('PW')
  })

  it.each(URLS.filter((url) => !url.startsWith('user') && !url.startsWith('ht\t')))(
    'never shows a password within a sentence: %j',
    (url) => {
      for (const text of [`fetch of ${url} failed`, `"${url}": refused`, `file=${url}, line 1`])
        expect(withoutCredentials(text).replace('PWx', '')).not.toContain('PW')
    },
  )

  it('never shows a password within an error', () => {
    const error = new FederationError('file-unreadable', 'https:/user:PW@h/x', 'cannot read https:user:PW@h', {
      hint: 'curl https:\\\\user:PW@h',
    })
    expect([error.subject, error.message, error.hint].join()).not.toContain('PW')
  })

  it.each(URLS)('never shows a password as the URL of an endpoint: %j', (url) => {
    for (const base of [undefined, new URL('https://h/bundle')]) {
      try {
        const parsed = parseEndpointUrl(url, base)
        expect(parsed.username + parsed.password).toBe('')
      } catch (thrown) {
        expect(String((thrown as Error).message)).not.toContain('PW')
      }
    }
  })

  it('is rejected as an endpoint exactly if the parser finds a user', () => {
    for (const url of URLS.filter((one) => URL.canParse(one) && new URL(one).username !== ''))
      expect(() => parseEndpointUrl(url)).toThrow(FederationError)
  })

  it.each([
    'https://h/x',
    'https://h:8443/a/b@c',
    'see docs/cli.md',
    'a@b.example',
    'https://[::1]:8443/x',
    'spiffe://td/ns/a/sa/b',
    'a: b//c',
    '',
  ])('stays unchanged without credentials: %j', (text) => {
    expect(withoutCredentials(text)).toBe(text)
  })

  it('is redacted whatever the parser accepts as credentials', () => {
    const slashes = fc.array(fc.constantFrom('/', '\\', '\t', '\n'), { maxLength: 4 }).map((all) => all.join(''))
    const scheme = fc.constantFrom('https:', 'HTTP:', 'wss:', 'ftp:')
    fc.assert(
      fc.property(scheme, slashes, fc.stringMatching(/^[a-z%:;.]{0,8}$/), (start, between, user) => {
        expect(withoutCredentials(`x ${start}${between}${user}:PW@host/y`)).not.toContain('PW')
      }),
    )
  })

  it('is redacted quickly in a long text', () => {
    for (const part of ['https:', '//', '@', 'https:a@', ':'])
      expect(withoutCredentials(part.repeat(200_000 / part.length)).length).toBeGreaterThan(0)
  })
})
