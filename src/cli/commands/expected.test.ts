/** What owners expect not to see makes no exit code: `spec.expect` and `--accept`. */
import { describe, expect, it } from 'vitest'
import { A, authority, B } from '../../../test/support/federations.ts'
import { inDirectories, type TestWorkspace, workspace } from '../../../test/support/workspace.ts'
import { run as apply } from './federation/apply.ts'
import { run as sever } from './federation/sever.ts'
import { run as status } from './federation/status.ts'
import { run as verify } from './federation/verify.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])
/** Every member is a directory: nothing of a live mesh can be seen. */
const opened = async (expected: readonly object[] = []): Promise<TestWorkspace> => {
  const w = await workspace(inDirectories(), a.bundle, b.bundle)
  await apply({ file: w.file, yes: true, output: 'text', reason: 'r' }, w.io)
  await w.write(inDirectories((s) => Object.assign(s, { expect: expected })))
  return w
}
const expecting = (code: string, more: object = {}) => ({ code, reason: 'a partner runs it', until: '2099-12-31', ...more })
const ALL = [expecting('not-checked'), expecting('chain-unseen')]
const json = (w: TestWorkspace) => JSON.parse(w.printed.at(-1) ?? '{}')
const check = (w: TestWorkspace, accept: readonly string[] = []): Promise<number> => verify({ file: w.file, output: 'json', accept }, w.io)

describe('a federation whose meshes cannot be observed from here', () => {
  it('is not proven: exit 3', async () => {
    await using w = await opened()
    expect([await check(w), await status({ file: w.file, output: 'json' }, w.io)]).toEqual([3, 3])
  })

  it('passes if the file expects that, with the reason for each finding', async () => {
    await using w = await opened(ALL)
    expect([await check(w), await status({ file: w.file, output: 'json' }, w.io)]).toEqual([0, 0])
    await check(w)
    const accepted = json(w).trusts.flatMap((trust: { findings: { accepted?: object }[] }) =>
      trust.findings.flatMap((one) => one.accepted ?? []),
    )
    expect(accepted).toContainEqual({ reason: 'a partner runs it', until: '2099-12-31' })
  })

  it('passes for one command if its flags accept it', async () => {
    await using w = await opened()
    expect([await check(w, ['not-checked', 'chain-unseen']), await check(w)]).toEqual([0, 3])
  })

  it('fails if only a part is accepted', async () => {
    await using w = await opened([expecting('not-checked', { member: 'cluster-a' }), expecting('chain-unseen')])
    expect(await check(w)).toBe(3)
  })

  it('fails after the last day of the expectation, and says so', async () => {
    await using w = await opened(ALL.map((one) => ({ ...one, until: '2020-01-01' })))
    expect(await check(w)).toBe(3)
    expect(json(w).findings.map(({ code }: { code: string }) => code)).toContain('expect-ended')
  })

  it('fails for a severed trust, which Entente must observe as closed', async () => {
    await using w = await opened(ALL)
    const pairs = [
      ['cluster-b', 'cluster-a'],
      ['cluster-a', 'cluster-b'],
    ] as const
    for (const [truster, trusted] of pairs)
      await sever({ file: w.file, truster, trusted, yes: true, reason: 'r', output: 'text' } as never, w.io)
    expect(await check(w)).toBe(3)
  })
})

describe('a command about one pair', () => {
  const pair = { truster: 'cluster-b', trusted: 'cluster-a' } as never
  it('makes verify and status report only that pair', async () => {
    await using w = await opened()
    await verify({ file: w.file, output: 'json', pair }, w.io)
    expect(json(w).trusts.map(({ truster }: { truster: string }) => truster)).toEqual(['cluster-b'])
    await status({ file: w.file, output: 'json', pair }, w.io)
    expect(json(w).trusts.map(({ truster }: { truster: string }) => truster)).toEqual(['cluster-b'])
  })

  it('requires a declared pair of members', async () => {
    await using w = await opened()
    for (const trusted of ['cluster-b', 'cluster-x'])
      await expect(verify({ file: w.file, output: 'json', pair: { truster: 'cluster-b', trusted } as never }, w.io)).rejects.toMatchObject({
        code: 'usage',
      })
  })
})

describe('a code that also means more than a failed observation', () => {
  it.each(['own-root-unknown', 'record-broken', 'witness-unseen', 'connections-unseen', 'no-such-code'])(
    'cannot be accepted: %s',
    async (code) => {
      await using w = await opened([expecting(code)])
      await expect(check(w)).rejects.toMatchObject({
        code: 'federation-invalid',
        faults: [{ message: expect.stringContaining(code), hint: expect.stringContaining('chain-unseen') }],
      })
      await using plain = await opened()
      await expect(check(plain, [code])).rejects.toMatchObject({ code: 'usage', hint: expect.stringContaining('chain-unseen') })
    },
  )
})
