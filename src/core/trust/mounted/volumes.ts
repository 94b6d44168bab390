/** Assigns each file to one of the namespace's ConfigMaps: the first, as long as all files fit. */

import type { MeshState, RootsFile } from '../state.ts'
import { acceptFile, MAPS, printFile, reachFile } from './bundle-map.ts'

/** Below the API server's size limit, so that a file has room for the roots before and after a change. */
const ROOM = 900_000

interface Placed {
  readonly name: string
  readonly file: RootsFile
  readonly was: RootsFile | undefined
}

/**
 * Assigns each file of `wanted` to one ConfigMap: its current one if it still fits, else the first with room. A file
 * that fits nowhere goes into the last, and a check reports it as too large.
 */
export function placed(wanted: MeshState, before: MeshState): MeshState {
  const files = [...filesIn(wanted, before)]
  if (files.length === 0) return wanted
  const home = new Map<RootsFile, number>()
  for (const of of groupBy(files)) place(of, home)
  const at = (file: RootsFile): RootsFile => {
    const volume = home.get(file)
    return volume === undefined ? file : { ...file, volumes: [volume] }
  }
  return {
    ...wanted,
    inbound: new Map([...wanted.inbound].map(([key, scope]) => [key, { ...scope, file: at(scope.file) }])),
    outbound: new Map(
      [...wanted.outbound].map(([key, scope]) => [
        key,
        { ...scope, files: new Map([...scope.files].map(([host, file]) => [host, at(file)])) },
      ]),
    ),
  }
}

function* filesIn(wanted: MeshState, before: MeshState): Generator<Placed & { readonly namespace: string }> {
  for (const [key, { at, file }] of wanted.inbound) {
    if (file.roots.size > 0) yield { namespace: at.namespace, name: acceptFile(at), file, was: before.inbound.get(key)?.file }
  }
  for (const [key, { from, files }] of wanted.outbound) {
    const was = before.outbound.get(key)?.files
    for (const [host, file] of files) yield { namespace: from.namespace, name: reachFile(from, host), file, was: was?.get(host) }
  }
}

function groupBy(files: readonly (Placed & { readonly namespace: string })[]): readonly (readonly Placed[])[] {
  const groups = new Map<string, Placed[]>()
  for (const file of files) groups.set(file.namespace, [...(groups.get(file.namespace) ?? []), file])
  return [...groups.values()]
}

function place(files: readonly Placed[], home: Map<RootsFile, number>): void {
  const used = MAPS.map(() => 0)
  const sizeOf = ({ name, file }: Placed): number => name.length + Buffer.byteLength(JSON.stringify(printFile(file.roots)))
  const put = (one: Placed, volume: number): void => {
    home.set(one.file, volume)
    used[volume] = (used[volume] ?? 0) + sizeOf(one)
  }
  const fits = (one: Placed, volume: number): boolean => (used[volume] ?? 0) + sizeOf(one) <= ROOM
  const [stay, come] = [[] as Placed[], [] as Placed[]]
  for (const one of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) ((one.was?.volumes.length ?? 0) > 0 ? stay : come).push(one)
  for (const one of [...stay, ...come]) {
    const [held] = one.was?.volumes ?? []
    const first = MAPS.findIndex((_, volume) => fits(one, volume))
    put(one, held !== undefined && fits(one, held) ? held : first === -1 ? MAPS.length - 1 : first)
  }
}
