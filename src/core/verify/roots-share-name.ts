/**
 * Finds roots in one list of Envoy's that have the same subject and different keys, where a presented chain has no
 * authority key identifier that distinguishes them. Envoy tries only the first of them, and rejects certificates under
 * another (docs/rotation.md). Roots of different domains do not conflict: the SPIFFE validator keeps one list for each
 * domain. Istio's own list (`mesh`) is a single list for all domains.
 */

import { distinct, error, type Finding, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Seens } from '../model/observed.ts'
import type { Gate } from '../model/planned.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import { readState } from '../trust/render.ts'
import type { Root, Roots } from '../trust/state.ts'
import type { Anchor, Fingerprint } from '../x509/anchor.ts'
import { isAmbiguous, rootsOfOneName } from '../x509/roots-of-one-name.ts'
import { presentedBy } from './ca-chain.ts'

type Chains = readonly (readonly Uint8Array[] | undefined)[]

export interface SharedName {
  /** True: a presented chain does not distinguish the roots. False: Entente saw no chain that distinguishes them. */
  readonly certain: boolean
  readonly roots: readonly Fingerprint[]
  readonly finding: Finding
}

/** Undefined: Entente saw every presented chain, and each one identifies its root. */
const isCertain = (group: readonly Anchor[], chains: Chains): boolean | undefined => {
  if (chains.some((chain) => chain !== undefined && isAmbiguous(chain, group))) return true
  return chains.some((chain) => chain === undefined) || chains.length === 0 ? false : undefined
}

/**
 * @param subject the owner of the roots, as the finding names it
 * @param chains the chains that the CAs of these roots present now; undefined: Entente could not read the chain
 */
export const sameNames = (subject: Subject, anchors: readonly Anchor[], chains: Chains): readonly Finding[] =>
  sharedNames(subject, anchors, chains).map(({ finding }) => finding)

function sharedNames(subject: Subject, anchors: readonly Anchor[], chains: Chains): readonly SharedName[] {
  return rootsOfOneName(anchors).flatMap((group): SharedName[] => {
    const certain = isCertain(group, chains)
    if (certain === undefined) return []
    const both = `${group.map(({ fingerprint }) => fingerprint).join(' and ')} are both named ${group[0]?.subject}, and have different keys`
    const finding = certain
      ? error(
          'roots-share-name',
          subject,
          `${both}; the chain that is presented has no authority key identifier that tells them apart: Envoy tries the first of them only, and refuses what the other signed`,
          WAY_OUT,
        )
      : warning(
          'roots-share-name',
          subject,
          `${both}; Envoy tries the first of them only, wherever a certificate under them has no authority key identifier, and no chain was seen that says so`,
          'openssl x509 -in ca-cert.pem -noout -ext authorityKeyIdentifier must print a key identifier for the intermediate of each',
        )
    return [{ certain, roots: group.map(({ fingerprint }) => fingerprint), finding }]
  })
}

const WAY_OUT =
  'first let the CA sign with an intermediate that has an authority key identifier (and its root a subject key identifier), or make the new root with another subject; both roots then fit beside each other'

const valid = (anchors: readonly Anchor[], now: Date): readonly Anchor[] => anchors.filter(({ notAfter }) => notAfter > now)

/** Checks every list of roots that the proxies of a mesh hold or will hold. */
export const sameNamesIn = (intent: Intent, seen: Seens, now: Date): readonly Finding[] =>
  sharedNamesIn(intent, seen, now).map(({ finding }) => finding)

/** Like `sameNamesIn`, with the certainty of each finding. */
export function sharedNamesIn(intent: Intent, seen: Seens, now: Date): readonly SharedName[] {
  const { member, own, trusts } = intent
  if (trusts.length === 0) return []
  const chainOf = (name: MemberName) => presentedBy(seen.get(name))
  const bundles = [
    { name: member.name, anchors: own?.anchors ?? [] },
    ...trusts.map(({ trusted, bundle }) => ({ name: trusted, anchors: bundle?.anchors ?? [] })),
  ]
  const separate = bundles.flatMap(({ name, anchors }) => sharedNames(about.member(name), valid(anchors, now), [chainOf(name)]))
  const meshWide = trusts.filter((trust) => trust.meshWide !== undefined)
  const flat = [...(own?.anchors ?? []), ...meshWide.flatMap(({ bundle }) => bundle?.anchors ?? [])]
  const once = [...new Map(valid(flat, now).map((anchor) => [anchor.fingerprint, anchor])).values()]
  const across =
    meshWide.length === 0
      ? []
      : sharedNames(about.scope('mesh', member.name), once, [member.name, ...meshWide.map(({ trusted }) => trusted)].map(chainOf))
  const known = new Set(separate.map(keyOfRoots))
  const all = [...separate, ...across.filter((one) => !known.has(keyOfRoots(one)))]
  return distinct(all.map(({ finding }) => finding)).flatMap((finding) => all.find((one) => one.finding === finding) ?? [])
}

const keyOfRoots = ({ roots }: SharedName): string => roots.join()

/**
 * The gates of a step that adds a root to a list with another root of the same subject: Envoy would reject certificates
 * under one of them. Only `--override-gate`, which the record keeps, passes these gates.
 */
export function namesGates(
  before: Manifest | undefined,
  after: Manifest | undefined,
  intent: Intent,
  seen: Seens,
  now: Date,
): readonly Gate[] {
  if (after === undefined) return []
  const anchors = new Map(
    [...(intent.own?.anchors ?? []), ...intent.trusts.flatMap(({ bundle }) => bundle?.anchors ?? [])].map((a) => [a.fingerprint, a]),
  )
  const held = new Set(listsIn(before === undefined ? [] : [before]).flatMap((list) => list.map(({ fingerprint }) => fingerprint)))
  const chains = [intent.member.name, ...intent.trusts.map(({ trusted }) => trusted)].flatMap((name) => presentedBy(seen.get(name)) ?? [])
  const gates = listsIn([after]).flatMap((list) => {
    const roots = valid(
      list.flatMap(({ fingerprint }) => anchors.get(fingerprint) ?? []),
      now,
    )
    return rootsOfOneName(roots)
      .filter((group) => isAmbiguous(chains, group))
      .flatMap((group) =>
        group
          .filter(({ fingerprint }) => !held.has(fingerprint))
          .map(
            ({ fingerprint }): Gate => ({
              needs: 'apart',
              root: fingerprint,
              open: false,
              waitingFor: group
                .filter((other) => other.fingerprint !== fingerprint)
                .map(
                  (other) => `an authority key identifier that tells it from ${other.fingerprint}, which has its name (${other.subject})`,
                ),
            }),
          ),
      )
  })
  return [...new Map(gates.map((gate) => [gate.root, gate])).values()]
}

/** The lists of roots in one object, as Envoy keeps them. */
function listsIn(objects: readonly Manifest[]): readonly (readonly Root[])[] {
  const { inbound, outbound, meshWide } = readState(objects)
  const perDomain = (roots: Roots): (readonly Root[])[] => [...roots.values()]
  return [
    ...[...inbound.values()].flatMap((scope) => [...perDomain(scope.roots), ...perDomain(scope.file.roots)]),
    ...[...outbound.values()].flatMap((scope) => [
      ...[...scope.hosts.values()].flatMap(perDomain),
      ...[...scope.files.values()].flatMap(({ roots }) => perDomain(roots)),
    ]),
    ...(meshWide === undefined ? [] : [[...meshWide.roots.values()].flat()]),
  ]
}
