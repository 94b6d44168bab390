/**
 * What one apply does with a record of 10,000 entries, on the disk: the first read, and then all that follows it (asking what
 * the record says for the plan, before it begins and before each phase, `begin`, `end`). Beside it the same questions to a
 * record that is opened anew for each of them, as commands did once.
 *
 *     npx tsx bench/record.ts
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RecordFileStore, recordStore } from '../src/adapters/files/record-store.ts'
import type { AuditDraft, AuditEntry } from '../src/core/model/recorded.ts'
import { closedAt } from '../src/core/record/history.ts'
import { extend, type RecordView, retiredRoots, unfinished } from '../src/core/record/projection.ts'
import { printEntry, seal } from '../src/core/record/record.ts'
import { seversOn } from '../src/core/record/severs.ts'
import { A, ALICE, B, digest, domain, fakeRoot, federation, member, NOW } from '../test/support/federations.ts'
import { bestOf, median, spread } from './measure.ts'

const ENTRIES = 10_000
const RUNS = 5
const MOST_MS = 100
const DOMAINS = 200
const PHASES = 4

const said = { actor: ALICE, at: NOW, reason: 'TICKET-123' }
const domainAt = (i: number) => domain(`cluster-${i % DOMAINS}.example`)
const memberAt = (i: number) => member(`cluster-${i % DOMAINS}`)

/** Of ten entries two are approvals and six are three applies; then a rotation or a sever, and a lift or an override. */
function draftAt(i: number, before: AuditEntry | undefined): AuditDraft {
  const pair = { truster: memberAt(i), trusted: memberAt(i + 1), trusterDomain: domainAt(i), trustedDomain: domainAt(i + 1) }
  const root = fakeRoot(`root ${i % (3 * DOMAINS)}`).fingerprint
  const kind = i % 10
  if (kind < 2)
    return { ...said, action: 'approve', trustDomain: domainAt(i / 5), roots: [root], source: 'its own cluster', sequence: `${i}` }
  if (before?.action === 'begin') return { ...said, action: 'end', begin: before.hash, done: before.steps.map(({ id }) => id) }
  if (kind < 8) return { ...said, action: 'begin', plan: digest(i), steps: [0, 1, 2].map((n) => stepAt(i, n, root)) }
  if (kind === 8)
    return i % 20 === 8 ? { ...said, action: 'rotate', trustDomain: domainAt(i), to: [root] } : { ...said, action: 'sever', ...pair }
  if (i % 20 === 9) return { ...said, action: 'lift', ...pair }
  return { ...said, action: 'override', gate: { needs: 'unused', root, open: false, waitingFor: ['cluster-1'] } }
}

const stepAt = (i: number, n: number, root: string) => ({
  id: digest([i, n]),
  member: memberAt(i),
  object: `ConfigMap istio-system/cluster-${(i + n) % DOMAINS}-root-cert`,
  changes: [{ effect: n === 0 ? ('narrows' as const) : ('widens' as const), of: 'root' as const, trusted: domainAt(i + n), what: root }],
  before: digest([i, n, 'before']),
  after: digest([i, n, 'after']),
})

function recordOf(count: number): readonly AuditEntry[] {
  const entries: AuditEntry[] = []
  for (let i = 0; i < count; i++) entries.push(seal(entries.at(-1), draftAt(i, entries.at(-1))))
  return entries
}

const wanted = federation()

/** What plan, sever, rotate and doctor ask it. */
function ask(view: RecordView): unknown {
  const standing = seversOn(view, wanted)
  const pairs = [...wanted.members.values()].flatMap((truster) => [...wanted.members.values()].map((trusted) => standing(truster, trusted)))
  return [pairs, unfinished(view), closedAt(view, memberAt(1), domainAt(1)), retiredRoots(view, A), view.domains.get(B)]
}

/** @param open the record, for each look at it */
async function apply(open: () => RecordFileStore): Promise<number> {
  let looks = 0
  const look = async (store = open()): Promise<RecordView> => {
    looks += 1
    const view = await store.view()
    ask(view)
    return view
  }
  const add = async (draftFor: (view: RecordView) => AuditDraft): Promise<AuditEntry> => {
    const store = open()
    const view = await look(store)
    const entry = seal(view.head, draftFor(view))
    await store.append(entry)
    return entry
  }
  // Whether somebody added to it while the plan was read; begin; before each phase; end.
  await look()
  const begin = await add(() => ({ ...said, action: 'begin', plan: digest('plan'), steps: [] }))
  for (let phase = 0; phase < PHASES; phase++) await look()
  await add(() => ({ ...said, action: 'end', begin: begin.hash, done: [] }))
  return looks
}

/** Lines that the JSON parser got meanwhile. */
async function parsed(work: () => Promise<unknown>): Promise<number> {
  const { parse } = JSON
  let lines = 0
  JSON.parse = (text: string, reviver?: Parameters<typeof parse>[1]) => {
    if (text.startsWith('{"action":')) lines += 1
    return parse(text, reviver) as unknown
  }
  try {
    await work()
  } finally {
    JSON.parse = parse
  }
  return lines
}

/** Milliseconds of the processor, since others may be at work. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

const entries = recordOf(ENTRIES)
const directory = await mkdtemp(join(tmpdir(), 'entente-record-'))
const path = join(directory, 'audit.jsonl')
const text = entries.map((entry) => `${printEntry(entry)}\n`).join('')
const anew = (): Promise<void> => writeFile(path, text)
try {
  const times: { first: number; after: number; before: number }[] = []
  for (let run = 0; run < RUNS; run++) {
    await anew()
    const store = recordStore(path)
    const first = await timed(async () => ask(await store.view()))
    const after = await timed(() => apply(() => store))
    await anew()
    times.push({ first, after, before: await timed(() => apply(() => recordStore(path))) })
  }
  await anew()
  const store = recordStore(path)
  const lines = await parsed(async () => {
    await store.view()
    await apply(() => store)
  })
  await anew()
  let looks = 0
  const linesBefore = await parsed(async () => {
    looks = 1 + (await apply(() => recordStore(path)))
    await recordStore(path).view()
  })
  let view = await store.view()
  const extending = bestOf(() => {
    view = extend(view, seal(view.head, { ...said, action: 'rotate', trustDomain: A, to: [] }))
  }, 20)
  const { size } = await stat(path)
  const after = times.map((one) => one.after)
  console.log(
    `\nrecord, ${ENTRIES} entries, ${(size / 1e6).toFixed(1)} MB, ${DOMAINS} trust domains, median of ${RUNS} (lowest to highest), ms of the processor\n`,
  )
  console.log(`first read, verified and folded        ${spread(times.map(({ first }) => first))}`)
  console.log(`an apply after it, ${looks - 1} looks, 2 appends   ${spread(after)}   ${lines} lines parsed in all`)
  console.log(`the same, opened anew for each look    ${spread(times.map(({ before }) => before))}   ${linesBefore} lines parsed in all`)
  console.log(`one entry more for a view              ${extending.toFixed(2)}`)
  if (median(after) > MOST_MS)
    throw new Error(`an apply spends ${median(after).toFixed(0)} ms on the record after the first read: at most ${MOST_MS}`)
} finally {
  await rm(directory, { recursive: true })
}
