/** A member's home that is a directory: a Git tree of Entente's manifests, one file per object, without an API server. */

import { realpath } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Mesh } from '../../app/ports.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { notChecked } from '../../core/mesh/mesh-findings.ts'
import type { Digest } from '../../core/model/digest.ts'
import { isOurs, keyOf, type Manifest, sameContent, title } from '../../core/model/manifest.ts'
import type { Step } from '../../core/model/planned.ts'
import type { Member } from '../../core/model/wanted.ts'
import { parseHead } from '../../core/record/record.ts'
import { withLock } from '../files/lock.ts'
import { isWithin, makeFolder, placeIn, readIfThere, removeDurably, writeAtomically } from '../files/write-files.ts'
import { limit } from '../limit.ts'
import { seen } from '../seen.ts'
import { keepFolders } from './keep.ts'
import { layoutPath, printManifest } from './layout.ts'
import { type Parsed, type Placed, readTree, unreadable } from './tree.ts'

/**
 * The heads of records, one line `OWNER HASH` for each owner. A hash alone is the single head of an older version.
 * The file is hidden and no manifest, so a GitOps tool does not apply it.
 */
const WITNESS = '.entente-record'
const LOCK = '.entente-lock'
/** Another owner may be writing here at the same moment. */
const OTHERS_MS = 1_000

export interface DirectoryMeshOptions {
  readonly member: Member
  readonly path: string
  /** The owner of the stored head: the federation's name. */
  readonly owner?: string
  /** The reason for an object: the comment above it. */
  readonly why?: (object: Manifest) => string | undefined
}

export function directoryMesh(options: DirectoryMeshOptions): Mesh {
  const { member, path, owner = '' } = options
  // An apply writes in parallel. The lock excludes other processes; writes of the same mesh run one after the other.
  const inTurn = limit(1)
  const parsed: Parsed = new Map()
  const unasked = {
    ok: false,
    error: notChecked(
      'info',
      about.member(member.name),
      'no API server for it is known here: Git delivers its manifests',
      'its owner runs entente verify -o evidence; then add --evidence FILE here',
    ),
  } as const
  return {
    member: member.name,
    live: false,
    observe: async () => ({
      objects: await seen(readTree(path).then((tree) => [...tree.values()].map(({ object }) => object))),
      own: unasked,
      istio: unasked,
      proxies: unasked,
    }),
    proxies: async () => unasked,
    find: async (object) => (await readTree(path, parsed)).get(keyOf(object))?.object,
    write: (step) => inTurn(() => locked(path, () => writeStep(options, step, { parsed }))),
    witness: async () => headOf(await readHeads(path), owner, path),
    moveWitness: (was, is) =>
      inTurn(() =>
        locked(path, async () => {
          const heads = await readHeads(path)
          if (headOf(heads, owner, path) !== was) throw moved(path)
          if (!heads.has(owner)) heads.delete('')
          const lines = [...heads.set(owner, is)].sort().map(([whose, head]) => (whose === '' ? `${head}\n` : `${whose} ${head}\n`))
          await writeAtomically(join(path, WITNESS), lines.join(''))
        }),
      ),
  }
}

/**
 * Observed in the cluster, written to the directory. The file may be newer than the cluster, or not exist yet. So a write
 * compares with the file: it must be absent, equal to the cluster's object, or equal to the target.
 */
export function gitDelivered(observed: Mesh, options: DirectoryMeshOptions): Mesh {
  const { path } = options
  const { write: _, ...files } = directoryMesh(options)
  const inTurn = limit(1)
  const parsed: Parsed = new Map()
  return {
    ...files,
    live: observed.live,
    observe: (interest) => observed.observe(interest),
    proxies: (interest) => observed.proxies(interest),
    ...(observed.leaves === undefined ? {} : { leaves: (pods) => observed.leaves?.(pods) ?? Promise.resolve(new Map()) }),
    ...(observed.connections === undefined ? {} : { connections: (pods) => observed.connections?.(pods) ?? Promise.resolve(new Map()) }),
    write: (step, { seen = [] }) =>
      inTurn(() =>
        locked(path, async () => {
          if (step.phase === 'clean') expectArrived(path, await readTree(path, parsed), seen)
          await writeStep(options, step, { parsed, mayBeAbsent: true })
        }),
      ),
  }
}

const isFilter = (object: Manifest): boolean => object.kind === 'EnvoyFilter' && isOurs(object)

/**
 * A filter that waits in Git is in no proxy yet, but will be. The policies that restrict its callers must not be removed
 * before it.
 * @param seen the cluster's objects, and what this apply wrote since: the plan knows these
 */
function expectArrived(path: string, tree: ReadonlyMap<string, Placed>, seen: readonly Manifest[]): void {
  const arrived = new Map(seen.filter(isFilter).map((object) => [keyOf(object), object]))
  for (const [key, { object, file }] of tree) {
    const there = arrived.get(key)
    if (!isFilter(object) || (there !== undefined && sameContent(object, there))) continue
    throw new FederationError(
      'changed-meanwhile',
      about.file(join(path, file)),
      `${title(object)} in Git has not arrived in the cluster yet, so Entente keeps the policies that restrict its callers`,
      { hint: 'entente apply, after your GitOps tool has synced' },
    )
  }
}

async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  await makeFolder(path)
  return withLock(join(path, LOCK), work, OTHERS_MS)
}

interface Against {
  readonly parsed: Parsed
  readonly mayBeAbsent?: boolean
}

async function writeStep({ path, why }: DirectoryMeshOptions, step: Step, { parsed, mayBeAbsent = false }: Against): Promise<void> {
  const object = step.after ?? step.before
  if (object === undefined) return
  const tree = await readTree(path, parsed)
  const placed = tree.get(keyOf(object))
  if (isAsWished(placed, step)) return
  expectBefore(path, placed, step, object, mayBeAbsent)
  const file = placed?.file ?? layoutPath(object)
  await expectOursAlone(path, file, placed, tree)
  if (file === layoutPath(object)) await keepFolders(path)
  if (step.after === undefined) await removeDurably(join(path, file))
  else await writeAtomically(join(path, file), printManifest(step.after, why?.(step.after)))
}

/** A repeated apply finds what it wrote before. */
const isAsWished = (placed: Placed | undefined, { after }: Step): boolean =>
  after === undefined ? placed === undefined : placed !== undefined && sameContent(placed.object, after)

function expectBefore(path: string, placed: Placed | undefined, { before }: Step, object: Manifest, mayBeAbsent: boolean): void {
  const same = placed === undefined ? before === undefined || mayBeAbsent : before !== undefined && sameContent(placed.object, before)
  if (same) return
  const how = placed === undefined ? 'was deleted' : before === undefined ? 'was created' : 'was changed'
  throw new FederationError(
    'changed-meanwhile',
    about.file(join(path, placed?.file ?? layoutPath(object))),
    `${title(object)} ${how} since the plan was made`,
    {
      hint: 'run the command again: it plans again',
    },
  )
}

/** One file per object, below the tree. Any other layout would change files that are not Entente's. */
async function expectOursAlone(path: string, file: string, placed: Placed | undefined, tree: ReadonlyMap<string, Placed>): Promise<void> {
  const shared = placed === undefined ? [...tree.values()].find((other) => other.file === file) : placed.alone ? undefined : placed
  if (shared !== undefined) {
    throw new FederationError('object-invalid', about.file(join(path, file)), 'also holds other objects', {
      hint: 'move each object to a separate file',
    })
  }
  const folder = await realpath(dirname(join(path, file))).catch(() => undefined)
  if (folder !== undefined && !isWithin(await realpath(path), folder))
    throw unreadable(dirname(join(path, file)), 'is a symbolic link that leads out of the tree')
}

const MAX_HEADS_BYTES = 1024 * 1024

/** The stored heads, by owner. @throws FederationError file-unreadable */
async function readHeads(path: string): Promise<Map<string, string>> {
  const file = await readIfThere(await placeIn(path, join(path, WITNESS)), MAX_HEADS_BYTES)
  if (file === undefined) return new Map()
  const lines = file.toString('utf8').trim().split('\n')
  return new Map(
    lines.map((line) => (line.includes(' ') ? [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] : ['', line])),
  )
}

/**
 * If the owner has no head yet, the single head of an older version counts as the owner's. @throws FederationError
 * record-broken
 */
function headOf(heads: ReadonlyMap<string, string>, owner: string, path: string): Digest | undefined {
  const held = heads.get(owner) ?? heads.get('')
  const head = parseHead(held?.trim())
  if (head !== undefined || held === undefined) return head
  throw new FederationError('record-broken', about.file(join(path, WITNESS)), 'is not the hash of a record entry', {
    hint: 'restore it from Git',
  })
}

const moved = (path: string): FederationError =>
  new FederationError('record-busy', about.file(resolve(path, WITNESS)), 'its stored head of the record has changed', {
    hint: 'wait for another apply to end, or pull the newest record from Git; then run the command again',
  })
