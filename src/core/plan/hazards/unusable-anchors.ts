/**
 * Finds approved anchors at which no chain can end. Envoy's SPIFFE validator requires a chain up to a self-signed
 * certificate: BoringSSL builds no partial chains there. With an intermediate alone, Envoy rejects every certificate of
 * that CA (run on Envoy
 * 1.40: test/e2e/authorities.e2e.ts; docs/decisions/0017-corporate-root.md).
 */
import { error, type Finding } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import type { Intent } from '../../model/wanted.ts'
import { workloadsKey } from '../../model/workloads.ts'
import type { Bundle } from '../../spiffe/bundle.ts'
import { NO_OBSTACLES, type Obstacles } from '../../trust/obstacles.ts'
import type { Anchor } from '../../x509/anchor.ts'

/**
 * Blocks the scopes whose filter binds a domain with such an anchor. Every filter binds the mesh's own domain: such an
 * anchor of our own blocks all of them.
 */
export function intermediates({ member, own, trusts }: Intent): Obstacles {
  const pinned = trusts.filter((trust) => trust.meshWide === undefined)
  if (pinned.length === 0) return NO_OBSTACLES
  const foreign = pinned.map((trust) => ({
    trust,
    findings: hanging(trust.bundle).map((anchor) => intermediateFinding(trust.trusted, anchor)),
  }))
  const ours = hanging(own).map((anchor) => intermediateFinding(member.name, anchor))
  const stopped = foreign.filter(({ findings }) => ours.length + findings.length > 0).map(({ trust }) => trust)
  return {
    findings: [...ours, ...foreign.flatMap(({ findings }) => findings)],
    inbound: new Set(stopped.flatMap(({ accept }) => accept.map(({ at }) => workloadsKey(at)))),
    outbound: new Set(stopped.flatMap(({ reach }) => reach.map(({ from }) => workloadsKey(from)))),
  }
}

/** Intermediates whose issuer is not an anchor. In addition to its root, an intermediate has no effect. */
const hanging = (bundle: Bundle | undefined): readonly Anchor[] =>
  bundle?.anchors.filter(({ issuedBy }) => issuedBy !== undefined && !bundle.anchors.some(({ subject }) => subject === issuedBy)) ?? []

const intermediateFinding = (member: string, { fingerprint, subject, issuedBy }: Anchor): Finding =>
  error(
    'anchor-not-root',
    about.member(member),
    `${fingerprint} (${subject}) is an intermediate, issued by ${issuedBy}: Envoy's SPIFFE validator ends a chain at a root only, and would refuse whatever this CA signs`,
    `approve the root above it, if it signs for ${member} alone; a root over several meshes cannot tell them apart`,
  )
