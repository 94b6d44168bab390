/** `approve`: the owner's word for a member's roots; the only road from an offer into `bundles/`. */
import { bundlePath, writeBundle } from '../../adapters/bundle-files.ts'
import { FederationError } from '../../core/errors.ts'
import { type Finding, hasErrors } from '../../core/finding.ts'
import type { Member, MemberName } from '../../core/model.ts'
import { approvedRoots, seal } from '../../core/record.ts'
import { type Bundle, parseBundle } from '../../core/spiffe/bundle.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { type Fingerprint, parseFingerprint } from '../../core/x509/anchor.ts'
import { lookAt } from '../cluster.ts'
import type { Io } from '../io.ts'
import { judgeOffer } from '../offer.ts'
import { type Shown, show } from '../screen.ts'
import { findingsText, table } from '../text.ts'
import { actor, type FileOptions, openRecord, openWorkspace, type Workspace } from '../workspace.ts'
import { agree } from './apply.ts'

export interface Accepting {
  readonly bundle?: string
  readonly fingerprint?: readonly string[]
  readonly yes?: boolean
  readonly reason: string
}

export interface ApproveOptions extends FileOptions, Accepting {
  readonly member: string
}

export async function run(options: ApproveOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const member = memberOf(workspace, options.member)
  const { bundle, source } = await offerOf(member, options, usable(workspace).get(member.trustDomain), io)
  if (isApproved(workspace, bundle)) {
    if (options.fingerprint !== undefined) checkFingerprints(bundle, options, member)
    const roots = bundle.anchors.length === 1 ? 'the root' : `all ${bundle.anchors.length} roots`
    io.tell(
      `${member.name}: ${roots} of ${member.trustDomain} ${bundle.anchors.length === 1 ? 'is' : 'are'} approved already; nothing to do.`,
    )
    return 0
  }
  await accept(workspace, member, { bundle, source }, options, io)
  io.tell(`Approved: ${bundlePath('', member.trustDomain)} and the record say so. Next: entente plan`)
  return 0
}

export interface Offer {
  readonly bundle: Bundle
  readonly source: string
}

/** Whether exactly these roots are in `bundles/` and on the record. */
export function isApproved(workspace: Workspace, bundle: Bundle): boolean {
  const held = new Set(
    usable(workspace)
      .get(bundle.trustDomain)
      ?.anchors.map((anchor) => anchor.fingerprint),
  )
  const recorded = approvedRoots(workspace.record).get(bundle.trustDomain)
  return (
    held.size > 0 &&
    bundle.anchors.length === held.size &&
    bundle.anchors.every(({ fingerprint }) => held.has(fingerprint) && recorded?.has(fingerprint))
  )
}

/**
 * Judges an offer, shows it, asks, and puts it into `bundles/` and on the record.
 * @throws FederationError bundle-refused, fingerprint-mismatch, not-confirmed: then nothing was changed
 */
export async function accept(workspace: Workspace, member: Member, { bundle, source }: Offer, options: Accepting, io: Io): Promise<void> {
  const approved = usable(workspace)
  const before = approved.get(member.trustDomain)
  const findings = [...unreadable(workspace, member), ...judgeOffer(bundle, approved)]
  io.tell(show`Roots of ${member.trustDomain}, from ${source}:\n\n${rootsText(bundle, before, io.columns)}\n`)
  if (findings.length > 0) io.tell(show`${findingsText(findings, io.color)}\n`)
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', member.name, 'the bundle is refused whole; nothing was changed', {
      hint: 'see the findings above',
    })
  checkFingerprints(bundle, options, member)
  await agree(`Approve this bundle for ${member.name}?`, options, io)

  const record = await openRecord(workspace.directory)
  const draft = {
    actor: actor(io),
    at: io.now(),
    reason: options.reason,
    action: 'approve' as const,
    trustDomain: member.trustDomain,
    roots: bundle.anchors.map((anchor) => anchor.fingerprint),
    source,
  }
  await record.append(seal((await record.entries()).at(-1), draft))
  await writeBundle(workspace.directory, bundle)
}

export function memberOf(workspace: Workspace, name: string): Member {
  const member = workspace.federation.members.get(name as MemberName)
  if (member !== undefined) return member
  throw new FederationError('usage', name, 'is no member of this federation', {
    hint: `members: ${[...workspace.federation.members.keys()].join(', ')}`,
  })
}

/** The bundles that could be read. */
export const usable = (workspace: Workspace): ReadonlyMap<TrustDomain, Bundle> =>
  new Map([...workspace.approved].flatMap(([domain, seen]) => (seen.ok ? [[domain, seen.value] as const] : [])))

/** What could not be read is not absent: of another domain, this offer may hold a root of it; of its own, it may be older. */
function unreadable({ approved }: Workspace, member: Member): readonly Finding[] {
  return [...approved].flatMap(([domain, seen]): Finding[] => {
    if (seen.ok) return []
    if (domain !== member.trustDomain) return [{ ...seen.error, hint: 'restore it from Git first: this offer cannot be compared with it' }]
    const message = `${seen.error.message}; what this approval changes, and whether it goes back, cannot be told`
    return [{ ...seen.error, severity: 'warning', message, hint: 'restore it from Git first, if you can' }]
  })
}

export async function offerOf(
  member: Member,
  options: Pick<ApproveOptions, 'bundle' | 'kubeconfig'>,
  approved: Bundle | undefined,
  io: Io,
): Promise<Offer> {
  if (options.bundle !== undefined) {
    return {
      bundle: parseBundle(member.trustDomain, await io.readFile(options.bundle), { now: io.now() }),
      source: `file ${options.bundle}`,
    }
  }
  const context = member.home?.context
  if (context === undefined) {
    throw new FederationError('usage', member.name, 'has no cluster that could be asked for its roots', {
      hint: `entente approve ${member.name} --bundle FILE --fingerprint sha256:…`,
    })
  }
  const { istio, own } = await lookAt(
    context,
    { istioNamespace: member.istioNamespace, ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }) },
    io,
  )
  if (istio.trustDomain !== member.trustDomain) {
    throw new FederationError(
      'bundle-refused',
      member.name,
      `its mesh has trust domain ${istio.trustDomain}, the federation file says ${member.trustDomain}`,
      { hint: 'correct the federation file' },
    )
  }
  return { bundle: { ...own, sequence: (approved?.sequence ?? 0n) + 1n }, source: `cluster ${context}` }
}

/** From a file every root wants its fingerprint, with --yes too; what our own API server says is the owner's word. */
function checkFingerprints(bundle: Bundle, options: Accepting, member: Member): void {
  const given = new Set((options.fingerprint ?? []).map(parseFingerprint))
  if (options.bundle === undefined && given.size === 0) return
  const roots = new Set<Fingerprint>(bundle.anchors.map((anchor) => anchor.fingerprint))
  const unnamed = [...roots].filter((root) => !given.has(root))
  const unknown = [...given].filter((root) => !roots.has(root))
  if (unnamed.length === 0 && unknown.length === 0) return
  const said = [
    ...unnamed.map((root) => `${root} is in the bundle and was not given`),
    ...unknown.map((root) => `${root} was given and is not in the bundle`),
  ]
  throw new FederationError('fingerprint-mismatch', member.name, `${said.join('; ')}; nothing was changed`, {
    hint: 'get the fingerprints from the owner over another channel, and give each with --fingerprint',
  })
}

function rootsText(bundle: Bundle, before: Bundle | undefined, columns?: number): Shown {
  const old = new Set(before?.anchors.map((anchor) => anchor.fingerprint))
  const kept = new Set(bundle.anchors.map((anchor) => anchor.fingerprint))
  const row = (sign: string, { fingerprint, notAfter, subject }: Bundle['anchors'][number]): string[] => [
    sign,
    fingerprint,
    notAfter.toISOString().slice(0, 10),
    subject.replaceAll('\n', ', '),
  ]
  const now = bundle.anchors.map((anchor) => row(old.has(anchor.fingerprint) ? 'stays' : 'new', anchor))
  const gone = (before?.anchors ?? []).filter((anchor) => !kept.has(anchor.fingerprint)).map((anchor) => row('goes', anchor))
  return table([['', 'ROOT', 'UNTIL', 'SUBJECT'], ...now, ...gone], columns)
}
