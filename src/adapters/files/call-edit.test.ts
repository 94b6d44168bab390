/** `call add` adds lines to a federation file, and changes no other byte of it. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { addCall, readFederationFile } from './federation-file.ts'

const CALL = { from: 'a/sample/client', to: 'b/sample/server' }
const HEAD = `apiVersion: entente.dev/v1alpha1   # ours
kind: Federation
metadata: { name: shop }
spec:
  defaults: { distribution: "pinned", mtls: enforce }
  members:
  - { name: a, trustDomain: a.example,   cluster: { directory: clusters/a } }
  - { name: b, trustDomain: b.example, cluster: { directory: clusters/b } }
`
const OTHER = '{ from: a/sample/batch, to: b/sample/server }'
const TRUST = `  trust:
    - { truster: b, trusted: a, until: 2030-01-01 }   # the end of a's contract
`
const JSON_FILE = JSON.stringify(
  {
    apiVersion: 'entente.dev/v1alpha1',
    kind: 'Federation',
    metadata: { name: 'shop' },
    spec: {
      defaults: { distribution: 'pinned', mtls: 'enforce' },
      members: ['a', 'b'].map((name) => ({ name, trustDomain: `${name}.example`, cluster: { directory: name } })),
      calls: [{ from: 'a/sample/batch', to: 'b/sample/server' }],
    },
  },
  null,
  2,
)

const STYLES: Readonly<Record<string, string>> = {
  'no list': HEAD,
  'no list before another field': `${HEAD}  severed: []\n`,
  'a key without a value, and an example': `${HEAD}  calls:   # who may call whom\n    # - from: a/x/y\n  severed: []\n`,
  'an empty list': `${HEAD}  calls: [] # none yet\n  severed: []\n`,
  'a list': `${HEAD}  calls:\n    - ${OTHER} # why\n${TRUST}`,
  'an unindented list': `${HEAD}  calls:\n  - ${OTHER} # why\n  # and more\n  severed: []\n`,
  'a list of objects': `${HEAD}  calls:\n    - from:\n        member: a\n        namespace: sample\n        serviceAccount: batch\n        selector: { app: batch }\n      to: b/sample/server\n\n  severed: []\n`,
  'a list in flow style': `${HEAD}  calls: [${OTHER}]\n  severed: []\n`,
  JSON: JSON_FILE,
}
const ENDS: Readonly<Record<string, (text: string) => string>> = {
  'with line feeds': (text) => text,
  'with carriage returns and line feeds': (text) => text.replaceAll('\n', '\r\n'),
  'without a last line end': (text) => text.replace(/\n+$/, ''),
}

async function fileOf(text: string) {
  const directory = await mkdtemp(join(tmpdir(), 'call-'))
  const file = join(directory, 'federation.yaml')
  await writeFile(file, text)
  return { file, how: { record: join(directory, 'audit.jsonl'), sleep: async () => {}, emergency: false } }
}
const callersIn = async (file: string): Promise<readonly string[]> =>
  (await readFederationFile(file)).trusts.flatMap(({ accept }) =>
    accept.flatMap(({ callers }): readonly string[] =>
      callers === 'all' ? [] : callers.map((one) => one.slice(one.lastIndexOf('/') + 1)),
    ),
  )

/** What was put into `before` at one place; undefined if anything else differs. */
function added(before: string, after: string): string | undefined {
  let at = 0
  while (at < before.length && before[at] === after[at]) at++
  const more = after.length - before.length
  return more > 0 && after.slice(at + more) === before.slice(at) ? after.slice(at, at + more) : undefined
}

describe('adding a call', () => {
  const cases = Object.entries(STYLES).flatMap(([style, text]) =>
    Object.entries(ENDS).map(([ends, end]) => ({ style, ends, text: end(text) })),
  )

  it.each(cases)('inserts one piece of text in $style, $ends', async ({ text }) => {
    const { file, how } = await fileOf(text)
    const had = text.includes('batch') ? ['batch'] : []
    expect(await addCall(file, { ...CALL, hosts: ['api.example', 'www.example'], mtls: 'require' }, how)).toBe(true)
    const now = await readFile(file, 'utf8')
    expect(added(text, now)).toContain('a/sample/client')
    expect(now.replaceAll('\r\n', '').includes(text.includes('\r\n') ? '\n' : '\r')).toBe(false)
    expect(await callersIn(file)).toEqual([...had, 'client'])
    expect((await readFederationFile(file)).trusts.flatMap(({ reach }) => reach.at(-1)?.services.map(({ host }) => host) ?? [])).toEqual([
      'api.example',
      'www.example',
    ])
  })

  it('is idempotent', async () => {
    const { file, how } = await fileOf(HEAD)
    expect([await addCall(file, CALL, how), await addCall(file, CALL, how)]).toEqual([true, false])
    expect(await callersIn(file)).toEqual(['client'])
  })

  it.each([
    { what: 'an unknown member', call: { ...CALL, from: 'z/sample/client' }, says: /no member or group is named "z"/ },
    { what: 'an end of two parts', call: { ...CALL, to: 'b/server' }, says: /must be MEMBER\/NAMESPACE\/NAME/ },
    { what: 'a host that is invalid', call: { ...CALL, hosts: ['server'] }, says: /not a full host name/ },
    {
      what: 'a mode that differs from another entry',
      call: { ...CALL, mtls: 'permissive' as const },
      says: /differ from another entry.*federation\.yaml:\d+/,
    },
  ])('refuses $what: the file stays unchanged', async ({ call, says }) => {
    const text = `${HEAD}  calls:\n    - ${OTHER}\n`
    const { file, how } = await fileOf(text)
    await expect(addCall(file, call, how)).rejects.toMatchObject({
      code: 'federation-invalid',
      message: expect.stringMatching(says),
      hint: 'correct the call (nothing was changed)',
    })
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  it('refuses a file that is already invalid', async () => {
    const { file, how } = await fileOf(HEAD.replace('name: b,', 'name: a,'))
    await expect(addCall(file, CALL, how)).rejects.toMatchObject({
      code: 'federation-invalid',
      hint: 'correct the file (nothing was changed)',
    })
  })
})
