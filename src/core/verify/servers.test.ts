import { describe, expect, it } from 'vitest'
import { A, B, bundleOf, fakeRoot, federation, SERVER_HOST, spec, wanted } from '../../../test/support/federations.ts'
import { evidence, failed, observation, pod, service } from '../../../test/support/observations.ts'
import { viewOf } from '../mesh/mesh-view.ts'
import type { Manifest } from '../model/manifest.ts'
import { liveProxies } from '../trust/live/live-proxies.ts'
import { judgeServers, unnamedServers } from './servers.ts'

const client = pod('sample/client', { app: 'client' })
/** The trust of a that reaches b. */
const reaching = (servedBy: readonly string[] | undefined) => {
  const of = spec((s) => {
    const [entry] = (s.trust[1] as { reach: { services: object[] }[] }).reach
    if (entry !== undefined) entry.services = [{ host: SERVER_HOST, ...(servedBy && { servedBy }) }]
  })
  const intent = wanted(federation(of), bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))).find(
    ({ member }) => member.name === 'cluster-a',
  )
  if (intent === undefined) throw new Error('no intent')
  const [trust] = intent.trusts
  if (trust === undefined) throw new Error('no trust')
  return { intent, trust }
}

describe('the servers that proxies accept if istiod names them', () => {
  const seen = (sans: readonly string[], endpoints = 1) => {
    const upstream = { host: SERVER_HOST, port: 80, subset: '', mutual: true, sans: sans.map((san) => `spiffe://${san}`), endpoints }
    return observation({
      own: bundleOf(A),
      objects: [client, service('sample/server')],
      proxies: [evidence(client, { inbound: [], outbound: [upstream], denies: [] })],
    })
  }
  const codes = (of: ReturnType<typeof seen>, servedBy?: readonly string[]) => {
    const { intent, trust } = reaching(servedBy)
    return judgeServers(intent, trust, liveProxies(viewOf(of))).map(({ code }) => code)
  }

  it.each([
    { name: 'one of theirs', sans: [`${B}/ns/sample/sa/other`], found: [] },
    { name: 'one of ours only', sans: [`${A}/ns/sample/sa/server`], found: ['servers-refused'] },
    { name: 'anybody', sans: [], found: [] },
    { name: 'one of ours, for which there is no endpoint', sans: [`${A}/ns/sample/sa/server`], endpoints: 0, found: [] },
  ])('$name', ({ sans, endpoints, found }) => {
    expect(codes(seen(sans, endpoints))).toEqual(found)
  })

  it('are not reported if the file names them', () => {
    expect(codes(seen([`${A}/ns/sample/sa/server`]), [`${B}/ns/sample/sa/server`])).toEqual([])
  })
})

describe('pods of the other mesh behind a host', () => {
  const behind = (account: string | undefined): Manifest => {
    const made = pod('sample/server-1', { app: 'server' })
    return { ...made, spec: { ...(made.spec as object), ...(account && { serviceAccountName: account }) } }
  }
  const there = (account: string | undefined, selector: object = { app: 'server' }) =>
    observation({ own: bundleOf(B), objects: [behind(account), service('sample/server', { selector })] })
  const { trust } = reaching([`${B}/ns/sample/sa/server`])

  it.each([
    { name: 'as servedBy says', seen: there('server'), found: [] },
    { name: 'under another account', seen: there('other'), found: [`${B}/ns/sample/sa/other`] },
    { name: 'under no account of their own', seen: there(undefined), found: [`${B}/ns/sample/sa/default`] },
    { name: 'that cannot be determined, without a selector', seen: there('other', {}), found: [] },
    { name: 'that could not be observed', seen: { ...there('other'), objects: failed() }, found: [] },
    { name: 'of a mesh that is not observed', seen: undefined, found: [] },
  ])('$name', ({ seen, found }) => {
    const findings = unnamedServers(trust, seen)
    expect(findings.map(({ code, severity }) => `${severity} ${code}`)).toEqual(found.map(() => 'warning served-by-differs'))
    for (const identity of found) expect(findings[0]?.message).toContain(`as ${identity}, which servedBy does not name`)
  })

  it('may be any if no server is named', () => {
    expect(unnamedServers(reaching(undefined).trust, there('other'))).toEqual([])
  })
})
