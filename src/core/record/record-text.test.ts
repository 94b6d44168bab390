import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, ALICE, approval, B, bundleOf, fakeRoot, member, NOW, sealAll } from '../../../test/support/federations.ts'
import { runs } from '../../../test/support/runs.ts'
import { canonicalJson, digestOf } from '../model/digest.ts'
import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import { parseRecord, printEntry, seal } from './record.ts'
import { readLines } from './record-text.ts'

const said = { actor: ALICE, at: NOW, reason: 'because "it" was tïme \u2028 \u001f 😀 \ufffd' }
const entries = sealAll([
  approval(bundleOf(A, fakeRoot('a'))),
  { ...said, action: 'sever', truster: member('cluster-b'), trusted: member('cluster-a') },
  { ...said, action: 'rotate', trustDomain: A, to: [fakeRoot('b').fingerprint] },
])
const file = entries.map((entry) => `${printEntry(entry)}\n`).join('')
const [first = '', second = '', third = ''] = file.split('\n')
const read = (bytes: string | Uint8Array) => {
  const text = readLines(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, 'audit.jsonl')
  return { ...text, entries: parseRecord(text.lines, 'audit.jsonl') }
}
const broken = (line: number) => expect.objectContaining({ code: 'record-broken', subject: `audit.jsonl:${line}` })
/** The second line, edited; the others as they are. */
const withSecond = (line: string | Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${first}\n`), Buffer.from(line), Buffer.from(`\n${third}\n`)])

describe('the record’s bytes', () => {
  it('read back as the sealed entries', () => {
    expect(read(file)).toEqual({
      lines: file
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      whole: Buffer.byteLength(file),
      entries,
    })
    expect(read('')).toEqual({ lines: [], whole: 0, entries: [] })
  })

  it.each([
    { name: 'a forged reason in front of the true one', line: second.replace('{', '{"reason":"agreed by everybody",') },
    { name: 'a forged reason in front of the true one, in the actor', line: second.replace('"actor":{', '"actor":{"name":"eve",') },
    { name: '1.0 for 1', line: second.replace('"seq":2', '"seq":2.0') },
    { name: '2e0 for 2', line: second.replace('"seq":2', '"seq":2e0') },
    { name: '-0', line: second.replace('"seq":2', '"seq":-0') },
    { name: 'a number beyond all bounds', line: second.replace('"seq":2', '"seq":1e999') },
    { name: 'a number that rounds to the same', line: second.replace('"seq":2', '"seq":2.00000000000000000000001') },
    { name: 'an escape that need not be', line: second.replace('because', 'bec\\u0061use') },
    { name: 'an escaped slash', line: second.replace('because', 'because\\/') },
    { name: 'an escape in capitals', line: second.replace('\\u001f', '\\u001F') },
    { name: 'a lone surrogate', line: second.replace('because', 'because\\ud800') },
    { name: 'a carriage return at its end', line: `${second}\r` },
    { name: 'a space at its end', line: `${second} ` },
    { name: 'a space in front', line: ` ${second}` },
    { name: 'a space within', line: second.replace('":', '": ') },
    { name: 'a tab at its end', line: `${second}\t` },
    { name: 'a NUL at its end', line: `${second}\0` },
    { name: 'a NUL within', line: second.replace('because', 'bec\0ause') },
    { name: 'a byte order mark', line: `\ufeff${second}` },
    { name: 'no line', line: '' },
    { name: 'an empty line behind it', line: `${second}\n` },
    { name: 'members in another order', line: JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(second)).reverse())) },
    { name: 'a member __proto__', line: second.replace('{', '{"__proto__":{"reason":"x"},') },
    {
      name: 'a byte that is not UTF-8',
      line: Buffer.concat([Buffer.from(second.slice(0, 20)), Buffer.of(0xff), Buffer.from(second.slice(20))]),
    },
    { name: 'a byte that is not UTF-8 for a U+FFFD', line: Buffer.from(second.replace('\ufffd', '\u00ff'), 'latin1') },
    { name: '20,000 levels', line: `${'['.repeat(20_000)}${']'.repeat(20_000)}` },
    { name: '20,000 levels without an end', line: '{"a":'.repeat(20_000) },
    { name: 'two entries in one line', line: `${second}${second}` },
    { name: 'a comment', line: `${second}// fine` },
    { name: 'null', line: 'null' },
    { name: 'a string', line: '"x"' },
    { name: 'a list', line: '[]' },
  ])('are invalid with $name', ({ line }) => {
    expect(() => read(withSecond(line))).toThrow(broken(line === `${second}\n` ? 3 : 2))
  })

  it('are invalid with a byte order mark at the start, or with CRLF throughout, with the remedy', () => {
    expect(() => read(`\ufeff${file}`)).toThrow(expect.objectContaining({ code: 'record-broken', hint: expect.stringContaining('-text') }))
    expect(() => read(file.replaceAll('\n', '\r\n'))).toThrow(
      expect.objectContaining({ code: 'record-broken', subject: 'audit.jsonl:1', hint: expect.stringContaining('-text') }),
    )
  })

  it('without the last line break contain all entries, and this is reported', () => {
    expect(read(file.slice(0, -1))).toMatchObject({ entries, unended: true })
    expect(() => read(file.trimEnd().replace('rotate', 'r\\u006ftate'))).toThrow(broken(3))
  })

  it('cut off anywhere in the last line yield exactly the earlier entries, and the remainder is reported', () => {
    const bytes = Buffer.from(file)
    for (let cut = Buffer.byteLength(`${first}\n${second}\n`) + 1; cut < bytes.length - 1; cut++)
      expect(read(bytes.subarray(0, cut))).toMatchObject({ entries: entries.slice(0, 2), torn: expect.stringMatching(/^\{/) })
  })

  it.each([
    { name: 'no entry', tail: 'x' },
    { name: 'zeros, as some file systems leave them', tail: '\0\0\0' },
    { name: 'an entry and more', tail: `${third} ` },
    { name: 'an entry and half of one', tail: `${third}{"a":` },
    { name: 'half an entry with a line end in it', tail: `${third.slice(0, 30)}\r` },
    { name: 'a closed object that is not an entry', tail: '{}' },
  ])('are invalid at the end with $name, which no append could leave', ({ tail }) => {
    expect(() => read(`${first}\n${second}\n${tail}`)).toThrow(broken(3))
  })

  it('reveal any single edit: a byte changed, inserted or deleted is reported, or the end is reported as cut off', () => {
    const bytes = Buffer.from(file)
    const edits = fc.oneof(
      fc.record({ kind: fc.constant('change' as const), at: fc.nat(bytes.length - 1), byte: fc.integer({ min: 0, max: 255 }) }),
      fc.record({ kind: fc.constant('insert' as const), at: fc.nat(bytes.length), byte: fc.integer({ min: 0, max: 255 }) }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat(bytes.length - 1), byte: fc.constant(0) }),
    )
    fc.assert(
      fc.property(edits, ({ kind, at, byte }) => {
        const middle = kind === 'remove' ? [] : [byte]
        const edited = Buffer.concat([bytes.subarray(0, at), Buffer.from(middle), bytes.subarray(kind === 'insert' ? at : at + 1)])
        fc.pre(!edited.equals(bytes))
        let found: ReturnType<typeof read>
        try {
          found = read(edited)
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'record-broken' })
          return
        }
        // What is left is an append that was cut off, and told: nobody is told another entry than there was.
        expect(found.torn !== undefined || found.unended === true).toBe(true)
        expect(found.entries).toEqual(entries.slice(0, found.entries.length))
      }),
      runs(450),
    )
  })
})

const set = (object: Record<string, unknown>, key: string, value: unknown): void => {
  object[key] = value
}

/** What an attacker does who can compute hashes. */
const forge = (change: (entry: Record<string, unknown>) => void, draft: AuditDraft): string => {
  const { hash: _, ...entry } = JSON.parse(printEntry(seal(undefined, draft))) as Record<string, unknown>
  change(entry)
  return canonicalJson({ ...entry, hash: digestOf(entry) })
}

describe('a sealed entry', () => {
  const drafts: Record<AuditDraft['action'], AuditDraft> = {
    approve: {
      ...approval(bundleOf(A, fakeRoot('a'))),
      sequence: '18446744073709551615',
      sequenceReset: true,
      invitation: 'a',
      endpoint: { profile: 'https_spiffe', url: 'https://a/bundle', endpointId: 'spiffe://a/x' },
    } as AuditDraft,
    offer: { ...said, action: 'offer', trustDomain: A, roots: [fakeRoot('a').fingerprint], sequence: '7' },
    refuse: { ...said, action: 'refuse', trustDomain: A, roots: [fakeRoot('a').fingerprint] },
    begin: {
      ...said,
      action: 'begin',
      plan: digestOf('plan'),
      steps: [
        {
          id: digestOf('step'),
          member: member('cluster-b'),
          object: 'EnvoyFilter sample/x',
          changes: [{ effect: 'widens', of: 'root', trusted: A, what: 'x' }],
          before: null,
          after: digestOf('after'),
        },
      ],
      evidence: [{ member: member('cluster-b'), digest: digestOf('file'), at: NOW }],
      homes: [
        {
          member: member('cluster-b'),
          trustDomain: B,
          istioNamespace: 'istio-system',
          context: 'b',
          directory: 'clusters/b',
          continues: true,
        },
      ],
    },
    end: {
      ...said,
      action: 'end',
      begin: digestOf('begin'),
      done: [digestOf('step')],
      stopped: { code: 'x', severity: 'error', subject: '', message: '', hint: '' },
    },
    override: { ...said, action: 'override', gate: { needs: 'unused', root: fakeRoot('a').fingerprint, open: false, waitingFor: ['x'] } },
    rotate: { ...said, action: 'rotate', trustDomain: A, to: [fakeRoot('a').fingerprint] },
    sever: { ...said, action: 'sever', truster: member('cluster-b'), trusted: member('cluster-a'), trusterDomain: B, trustedDomain: A },
    remove: { ...said, action: 'remove', member: member('cluster-b'), context: 'b', directory: 'clusters/b', unseen: true },
    lift: { ...said, action: 'lift', truster: member('cluster-b'), trusted: member('cluster-a'), trusterDomain: B, trustedDomain: A },
  }
  /** `gate.waitingFor.0` and so on: every place in it. */
  const places = (value: unknown, path: readonly string[] = []): readonly (readonly string[])[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...places(inner, [...path, key])])
      : []
  const holder = (entry: object, path: readonly string[]): Record<string, unknown> =>
    path.slice(0, -1).reduce((here, key) => here[key] as Record<string, unknown>, entry as Record<string, unknown>)
  const OPTIONAL =
    /^(sequence|sequenceReset|endpoint|invitation|evidence|homes|homes\.0\.(aliases|context|directory|continues)|context|directory|unseen|stopped|steps\.0\.(member|object|before|after))$/
  /** Severs of an older version have no domains. */
  const isOptional = ({ action }: AuditDraft, path: readonly string[]): boolean =>
    OPTIONAL.test(path.join('.')) || (action === 'sever' && /^trust(er|ed)Domain$/.test(path.join('.')))
  const all = Object.entries(drafts).flatMap(([action, draft]) =>
    places(JSON.parse(JSON.stringify(draft))).map((path) => ({ action, draft, path, name: `${action}: ${path.join('.')}` })),
  )

  it('of every action is read back as it was', () => {
    for (const draft of Object.values(drafts)) {
      const line = printEntry(seal(undefined, draft))
      const [entry] = parseRecord([line], 'audit.jsonl')
      expect(printEntry(entry as AuditEntry)).toBe(line)
      expect(parseRecord([JSON.parse(line)], 'audit.jsonl')).toEqual([entry])
    }
  })

  it.each(all)('is rejected without a member, unless it is optional: $name', ({ draft, path }) => {
    const isItem = /^\d+$/.test(path.at(-1) ?? '')
    const line = forge((entry) => {
      const here = holder(entry, path)
      if (isItem) (here as unknown as unknown[]).splice(0, 1)
      else delete here[path.at(-1) ?? '']
    }, draft)
    const parse = () => parseRecord([line], 'audit.jsonl')
    if (isItem || isOptional(draft, path)) expect(parse()).toHaveLength(1)
    else expect(parse).toThrow(broken(1))
  })

  it.each(all)('is rejected with another type of member: $name', ({ draft, path }) => {
    const others: readonly unknown[] = [7, true, {}, ['x'], [[]], null, { __proto__: null, toString: 'x' }]
    const was = JSON.stringify(holder(JSON.parse(JSON.stringify(draft)), path)[path.at(-1) ?? ''])
    for (const other of others) {
      if (JSON.stringify(other) === was) continue
      // Null is what stands for no object; true, for what was reset or is open; a list of texts, for one.
      if (other === null && /(before|after)$/.test(path.join('.'))) continue
      if (other === true && path.at(-1) === 'open') continue
      if (JSON.stringify(other) === '["x"]' && path.at(-1) === 'waitingFor') continue
      const line = forge((entry) => set(holder(entry, path), path.at(-1) ?? '', other), draft)
      expect(() => parseRecord([line], 'audit.jsonl'), JSON.stringify(other)).toThrow(broken(1))
    }
  })

  it.each(Object.entries(drafts).map(([action, draft]) => ({ action, draft })))('of action $action has no other members', ({ draft }) => {
    const objects = [[], ...places(JSON.parse(JSON.stringify(draft))).filter((path) => !/\d+$/.test(path.join('.')))]
    for (const name of ['extra', '__proto__', 'constructor', 'toString', '']) {
      for (const path of objects) {
        const line = forge((entry) => {
          const here = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], entry)
          if (typeof here === 'object' && here !== null && !Array.isArray(here))
            Object.defineProperty(here, name, { value: 'x', enumerable: true, configurable: true })
          else entry.extra = 'x'
        }, draft)
        expect(() => parseRecord([line], 'audit.jsonl'), `${path.join('.')} ${name}`).toThrow(broken(1))
      }
    }
  })

  it.each([
    { name: 'an instant in another form', change: (e: Record<string, unknown>) => set(e, 'at', '2026-06-01') },
    { name: 'an instant that is invalid', change: (e: Record<string, unknown>) => set(e, 'at', '2026-13-01T00:00:00.000Z') },
    { name: 'an invalid name', change: (e: Record<string, unknown>) => set(e, 'trusted', 'a b') },
    { name: 'a number out of range', change: (e: Record<string, unknown>) => set(e, 'seq', 1.5) },
    { name: 'an action of a later version', change: (e: Record<string, unknown>) => set(e, 'action', 'forget') },
    { name: 'a name that every object has as action', change: (e: Record<string, unknown>) => set(e, 'action', 'constructor') },
    { name: 'no action', change: (e: Record<string, unknown>) => void delete e.action },
  ])('is rejected with $name', ({ change }) => {
    expect(() => parseRecord([forge(change, drafts.sever)], 'audit.jsonl')).toThrow(broken(1))
  })

  it.each(['18446744073709551616', '-1', '01', '1.0', '1e3', '', ' 1', '99999999999999999999'])(
    'is rejected with sequence %j',
    (sequence) => {
      const line = forge((entry) => set(entry, 'sequence', sequence), drafts.approve)
      expect(() => parseRecord([line], 'audit.jsonl')).toThrow(broken(1))
    },
  )

  it('with an unknown action is rejected with the remedy', () => {
    const line = forge((entry) => set(entry, 'action', 'forget'), drafts.sever)
    expect(() => parseRecord([line], 'audit.jsonl')).toThrow(
      expect.objectContaining({ message: expect.stringContaining('"forget"'), hint: expect.stringContaining('newer version of Entente') }),
    )
  })

  it('may contain any text, and reads back unchanged', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.constantFrom('\ud800', '\udfff', 'x', '\0', '"') }),
        (name, reason) => {
          const draft: AuditDraft = { ...drafts.sever, actor: { name, via: 'os' }, reason }
          const entry = seal(undefined, draft)
          expect(parseRecord([printEntry(entry)], 'audit.jsonl')).toEqual([entry])
        },
      ),
    )
  })
})
