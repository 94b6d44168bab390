/** The gates of a step: Entente retires a root only when no live certificate is under it. */

import type { Manifest } from '../../model/manifest.ts'
import type { Gate, Phase } from '../../model/planned.ts'
import { workloadsKey } from '../../model/workloads.ts'
import { retirement, type Witnesses } from '../../rotation/retirement.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { isTrustMap, type Reading, readMountedFilter, readTrustMap } from '../../trust/mounted/bundle-map.ts'
import { readState } from '../../trust/render.ts'
import { distinctRoots, type MeshState, type Root, type Roots } from '../../trust/state.ts'
import type { Course } from '../course.ts'
import { removalGates } from './gitops-gates.ts'

export function gatesOf(
  phase: Phase,
  before: Manifest | undefined,
  after: Manifest | undefined,
  going: Course,
  witnesses: Witnesses,
): readonly Gate[] {
  if (phase === 'close' && before !== undefined && after !== undefined) {
    return retirements(retired(readState([before]), readState([after])), witnesses)
  }
  if (before === undefined) return []
  if (phase === 'close' && after === undefined) return retirements(removedWithFile(readMountedFilter(before), going), witnesses)
  if (phase !== 'clean') return []
  const delivered = witnesses.intent.member.home?.directory !== undefined
  return [
    ...retirements(removedWithFile(goneFrom(before, after), going), witnesses),
    ...(delivered ? removalGates(before, after, going, witnesses) : []),
  ]
}

const retirements = (roots: readonly [TrustDomain, Root][], witnesses: Witnesses): readonly Gate[] =>
  roots.map(([domain, root]) => retirement(domain, root, witnesses))

/** The files that a step removes: they wait for the same gates as the filter that reads them. */
function goneFrom(before: Manifest, after: Manifest | undefined): readonly Reading[] {
  const staying = new Set(after === undefined ? [] : readTrustMap(after).map(({ name }) => name))
  return isTrustMap(before) ? readTrustMap(before).filter(({ name }) => !staying.has(name)) : []
}

/** Roots of a file that pods with the mount no longer read, and that are missing from the filter they use next. */
function removedWithFile(read: readonly Reading[], { before, after }: Course): readonly [TrustDomain, Root][] {
  return read.flatMap(({ owner: { of, host } }) => {
    const key = workloadsKey(of)
    const held = host === undefined ? before.inbound.get(key)?.file : before.outbound.get(key)?.files.get(host)
    const then = host === undefined ? after.inbound.get(key)?.roots : after.outbound.get(key)?.hosts.get(host)
    return leaving(held?.roots ?? new Map(), then)
  })
}

/** Roots that leave a scope or host that still trusts their domain. The removal of a whole domain waits for no gate. */
function retired(before: MeshState, after: MeshState): readonly [TrustDomain, Root][] {
  const inbound = [...before.inbound].flatMap(([key, scope]) => [
    ...leaving(scope.roots, after.inbound.get(key)?.roots),
    ...leaving(scope.file.roots, after.inbound.get(key)?.file.roots),
  ])
  const outbound = [...before.outbound].flatMap(([key, scope]) => [
    ...[...scope.hosts].flatMap(([host, roots]) => leaving(roots, after.outbound.get(key)?.hosts.get(host))),
    ...[...scope.files].flatMap(([host, { roots }]) => leaving(roots, after.outbound.get(key)?.files.get(host)?.roots)),
  ])
  const meshWide = before.meshWide === undefined ? [] : leaving(before.meshWide.roots, after.meshWide?.roots)
  return [...new Map([...inbound, ...outbound, ...meshWide].map((pair) => [`${pair[0]} ${pair[1].fingerprint}`, pair])).values()]
}

function leaving(before: Roots, after: Roots | undefined): [TrustDomain, Root][] {
  return [...before].flatMap(([domain, roots]) => {
    const staying = after?.get(domain)
    const gone = staying === undefined ? [] : roots.filter((root) => !staying.some((other) => other.fingerprint === root.fingerprint))
    return gone.map((root): [TrustDomain, Root] => [domain, root])
  })
}

/** The state after phase `close`, in which every root that waits for a gate is still present. */
export function withRetiring(before: MeshState, after: MeshState): MeshState {
  const keep = (b: Roots | undefined, a: Roots): Roots =>
    new Map([...a].map(([domain, roots]) => [domain, distinctRoots([...(b?.get(domain) ?? []), ...roots])]))
  return {
    ...after,
    ...(after.meshWide === undefined ? {} : { meshWide: { ...after.meshWide, roots: keep(before.meshWide?.roots, after.meshWide.roots) } }),
    inbound: new Map(
      [...after.inbound].map(([key, a]) => {
        const b = before.inbound.get(key)
        if (b === a) return [key, a]
        return [key, { ...a, roots: keep(b?.roots, a.roots), file: { ...a.file, roots: keep(b?.file.roots, a.file.roots) } }]
      }),
    ),
    outbound: new Map(
      [...after.outbound].map(([key, a]) => {
        const b = before.outbound.get(key)
        if (b === a) return [key, a]
        const { hosts, files } = b ?? {}
        return [
          key,
          {
            ...a,
            hosts: new Map([...a.hosts].map(([host, roots]) => [host, keep(hosts?.get(host), roots)])),
            files: new Map([...a.files].map(([host, f]) => [host, { ...f, roots: keep(files?.get(host)?.roots, f.roots) }])),
          },
        ]
      }),
    ),
  }
}
