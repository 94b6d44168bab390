/**
 * Finds objects that Entente cannot write: another owner's object has the name, the object is too large, or a filter
 * does not match its listeners. Such a scope is not widened: a filter without its policy would admit every identity of
 * a domain.
 */

import { error, type Finding } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import type { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import { isOurs, keyOf, MANAGED_BY, OWNER, ownerOf, title } from '../../model/manifest.ts'
import type { Intent } from '../../model/wanted.ts'
import { workloadsKey } from '../../model/workloads.ts'
import { bypasses } from '../../trust/gateway-scope.ts'
import { isTrustMap, readTrustMap } from '../../trust/mounted/bundle-map.ts'
import type { Obstacles } from '../../trust/obstacles.ts'
import { type Author, exceeds, renderState, sizeOf } from '../../trust/render.ts'
import { EMPTY, type MeshState } from '../../trust/state.ts'
import { unfit } from './filter-fit.ts'

/** etcd accepts requests up to 1.5 MiB and answers larger ones with an opaque 500; a ConfigMap holds 1 MiB. */
export const MAX_BYTES = 1_000_000

/** @param inPlace rendered objects that the cluster has already: they are ours, and not too large */
export function obstacles(
  intent: Intent,
  wanted: MeshState,
  author: Author,
  view: MeshView,
  inPlace: ReadonlySet<Manifest> = new Set(),
): Obstacles {
  const against = (part: Partial<MeshState>): readonly Finding[] => {
    const rendered = renderState({ ...EMPTY, ...part }, author)
    const unwritable = rendered.flatMap((object) => {
      if (inPlace.has(object)) return []
      const other = anothersObject(object, intent, view)
      return [...(other === undefined ? [] : [ownedBy(intent, other)]), ...(exceeds(object, MAX_BYTES) ? [tooLarge(object, intent)] : [])]
    })
    return [...unwritable, ...unfit(rendered, view, intent.member.istioNamespace, intent.member.name)]
  }
  const past = bypasses(wanted, intent.member.name)
  const inbound = [...wanted.inbound].map(([key, scope]) => ({
    key,
    findings: [...against({ inbound: new Map([[key, scope]]) }), ...(past.get(key) ?? [])],
  }))
  const meshWide = wanted.meshWide === undefined ? [] : against({ meshWide: wanted.meshWide })
  const outbound = [...wanted.outbound].map(([key, scope]) => ({ key, findings: against({ outbound: new Map([[key, scope]]) }) }))
  // One ConfigMap holds the files of many sets.
  const full = renderState({ ...wanted, shares: EMPTY.shares }, author).filter((object) => isTrustMap(object) && exceeds(object, MAX_BYTES))
  const crowded = new Set(full.flatMap(readTrustMap).map(({ owner }) => workloadsKey(owner.of)))
  const stopped = (parts: readonly { readonly key: string; readonly findings: readonly Finding[] }[]): ReadonlySet<string> =>
    new Set(parts.flatMap(({ key, findings }) => (findings.length > 0 || crowded.has(key) ? [key] : [])))
  return {
    findings: [
      ...[...inbound, ...outbound].flatMap((part) => part.findings),
      ...full.map((object) => tooLarge(object, intent)),
      ...against({ shares: wanted.shares }),
      ...meshWide,
    ],
    inbound: stopped(inbound),
    outbound: stopped(outbound),
    meshWide: meshWide.length > 0,
  }
}

/** The object of another owner in the place of `object`: Entente never writes it. */
export function anothersObject(object: Manifest, { owner }: Intent, view: MeshView): Manifest | undefined {
  const { name, namespace = '' } = object.metadata
  const there = view.named(object.kind, namespace, name)
  return there !== undefined && ownerOf(there) !== owner && keyOf(there) === keyOf(object) ? there : undefined
}

export function tooLarge(object: Manifest, { member }: Intent): Finding {
  return error(
    'object-too-large',
    about.member(member.name),
    `${title(object)} would have ${Math.ceil(sizeOf(object) / 1024)} KiB; the API server takes about 1 MiB`,
    'trust fewer domains at one set of workloads',
  )
}

/** Reports an object that has our name and another owner. */
export function ownedBy(intent: Intent, object: Manifest): Finding {
  const owner = isOurs(object) ? `the federation ${object.metadata.labels?.[OWNER] ?? '(none)'}` : 'somebody else'
  return error(
    'owned-by',
    about.object(object, intent.member.name),
    `belongs to ${owner} (no label ${MANAGED_BY}: entente with ${OWNER}: ${intent.owner})`,
    'remove it there, or let that federation say what is wanted here',
  )
}
