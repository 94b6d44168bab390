/** `approve`: the owner's word for a member's roots; the only road from an offer into `bundles/`. */
import { bundlePath, writeBundle } from '../../../adapters/files/bundle-files.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { asWarning, type Finding, hasErrors } from '../../../core/diagnostics/finding.ts'
import type { Member, MemberName } from '../../../core/model/wanted.ts'
import { highestOf, recordedBundles } from '../../../core/record/projection.ts'
import { seal } from '../../../core/record/record.ts'
import { seversOn } from '../../../core/record/severs.ts'
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import { parseBundle } from '../../../core/spiffe/parse-bundle.ts'
import { sequenceAfter } from '../../../core/spiffe/sequence.ts'
import type { TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { sameNames } from '../../../core/verify/roots-share-name.ts'
import { type Fingerprint, parseFingerprint } from '../../../core/x509/anchor.ts'
import { lookAt } from '../../input/cluster.ts'
import type { LimitOptions } from '../../input/limits.ts'
import { actor, type FileOptions, openWorkspace, type Workspace } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { judgeOffer } from '../../offer.ts'
import { type Shown, show } from '../../print/screen.ts'
import { findingsText, table } from '../../print/text.ts'
import { agree } from '../federation/apply.ts'

export interface Accepting {
  readonly bundle?: string
  readonly fingerprint?: readonly string[]
  readonly yes?: boolean
  readonly reason: string
  /** Sequences begin again with this bundle, on the record. */
  readonly resetSequence?: boolean
}

export interface ApproveOptions extends FileOptions, Accepting {
  readonly member: string
}

export async function run(options: ApproveOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const member = memberOf(workspace, options.member)
  if (options.resetSequence === true && options.reason.trim() === '')
    throw new FederationError('usage', '--reset-sequence', 'takes a --reason: say why sequences begin again, for those who ask later')
  const highest = options.resetSequence === true ? undefined : highestIn(workspace, member)
  const offer = await offerOf(member, options, highest, io)
  const { bundle } = offer
  if (isApproved(workspace, bundle) && options.resetSequence !== true && !isAwaited(workspace, member)) {
    if (options.fingerprint !== undefined) checkFingerprints(bundle, options, member)
    const roots = bundle.anchors.length === 1 ? 'the root' : `all ${bundle.anchors.length} roots`
    io.tell(
      `${member.name}: ${roots} of ${member.trustDomain} ${bundle.anchors.length === 1 ? 'is' : 'are'} approved already; nothing to do.`,
    )
    return 0
  }
  await accept(workspace, member, offer, options, io)
  io.tell(`Approved: ${bundlePath('', member.trustDomain)} and the record say so. Next: entente plan`)
  return 0
}

export interface Offer {
  readonly bundle: Bundle
  readonly source: string
  /** The chain that its CA presents now, where that could be seen. */
  readonly presented?: readonly Uint8Array[]
  /** It is the approved bundle with fewer roots, not what somebody published: its sequence says nothing. */
  readonly fewer?: true
}

/** The highest approved sequence: of the record, or where it has none (from before it had), of the approved bundle. */
export const highestIn = (workspace: Workspace, { trustDomain }: Member): bigint | undefined =>
  workspace.record.domains.get(trustDomain)?.recorded?.highest ?? usable(workspace).get(trustDomain)?.sequence

/** Whether exactly these roots are in `bundles/` and on the record. */
export function isApproved(workspace: Workspace, bundle: Bundle): boolean {
  const held = new Set(
    usable(workspace)
      .get(bundle.trustDomain)
      ?.anchors.map((anchor) => anchor.fingerprint),
  )
  const recorded = workspace.record.domains.get(bundle.trustDomain)?.newest?.roots
  return (
    held.size > 0 &&
    bundle.anchors.length === held.size &&
    bundle.anchors.every(({ fingerprint }) => held.has(fingerprint) && recorded?.has(fingerprint))
  )
}

/** Whether a sever of it was lifted: the approvals from before open nothing for that truster. */
const isAwaited = ({ record, federation }: Workspace, member: Member): boolean => {
  const severs = seversOn(record, federation)
  return [...federation.members.values()].some((truster) => severs(truster, member)?.state === 'lifted')
}

/**
 * Judges an offer, shows it, asks, and puts it into `bundles/` and on the record.
 * @throws FederationError bundle-refused, fingerprint-mismatch, not-confirmed: then nothing was changed
 */
export async function accept(
  workspace: Workspace,
  member: Member,
  { bundle, source, presented, fewer }: Offer,
  options: Accepting,
  io: Io,
): Promise<void> {
  const approved = usable(workspace)
  const before = approved.get(member.trustDomain)
  const names = sameNames(
    member.name,
    bundle.anchors.filter(({ notAfter }) => notAfter > io.now()),
    [presented],
  )
  // Approved, they do no harm yet: plan and apply hold back what would put both into one list.
  const alike = names.map(asWarning)
  const reset = options.resetSequence === true
  const context = { recorded: recordedBundles(workspace.record), anySequence: reset || fewer === true }
  const findings = [...unreadable(workspace, member), ...judgeOffer(bundle, approved, context), ...alike]
  io.tell(show`Roots of ${member.trustDomain}, from ${source}:\n\n${rootsText(bundle, before, io.columns)}\n`)
  if (findings.length > 0) io.tell(show`${findingsText(findings, io.color)}\n`)
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', member.name, 'the bundle is refused whole; nothing was changed', {
      hint: 'see the findings above',
    })
  checkFingerprints(bundle, options, member)
  const highest = highestOf(reset ? undefined : highestIn(workspace, member), bundle.sequence)
  if (reset) io.tell(show`Sequences of ${member.trustDomain} begin again with ${highest ?? 'the next bundle that has one'}.\n`)
  await agree(`Approve this bundle for ${member.name}?`, options, io)

  const draft = {
    actor: actor(io),
    at: io.now(),
    reason: options.reason,
    action: 'approve' as const,
    trustDomain: member.trustDomain,
    roots: bundle.anchors.map((anchor) => anchor.fingerprint),
    source,
    ...(highest === undefined ? {} : { sequence: `${highest}` }),
    ...(reset ? { sequenceReset: true as const } : {}),
  }
  const { store } = workspace
  await store.append(seal((await store.view()).head, draft))
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

/** @param highest of the sequences approved so far: what the member's own cluster says gets the next one */
export async function offerOf(
  member: Member,
  options: Pick<ApproveOptions, 'bundle' | 'kubeconfig' | keyof LimitOptions>,
  highest: bigint | undefined,
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
  const { istio, own } = await lookAt(context, { ...options, istioNamespace: member.istioNamespace }, io)
  if (istio.trustDomain !== member.trustDomain) {
    throw new FederationError(
      'bundle-refused',
      member.name,
      `its mesh has trust domain ${istio.trustDomain}, the federation file says ${member.trustDomain}`,
      { hint: 'correct the federation file' },
    )
  }
  const { presented } = istio
  const sequence = sequenceAfter(highest)
  return {
    bundle: { ...own, ...(sequence === undefined ? {} : { sequence }) },
    source: `cluster ${context}`,
    ...(presented.ok && { presented: presented.value }),
  }
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
