/** The findings about a followed bundle endpoint: after a fetch, and in `plan` and `status` from what was kept. */
import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Member } from '../model/wanted.ts'
import type { DomainRecord } from '../record/projection.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import { type Decision, intervalMs, type Reason } from './following.ts'

const REASONS: Readonly<Record<Exclude<Reason, 'emptied'>, string>> = {
  severed: 'a trust in its domain is severed, or was severed and not approved by a person since',
  'endpoint-changed': 'no person has confirmed this bundle endpoint yet',
  refused: 'a person refused one of these roots',
  manual: 'its policy is Manual',
  'https-web': 'over https_web any web CA could vouch for a new root',
  replaced: 'it has no root in common with the approved ones, as a hijacked endpoint would have',
  'several-changes': 'it adds or removes several roots at once',
  'too-many-roots': 'the domain would have more than four roots',
  'addition-unconfirmed': 'Entente added a root of this domain by itself, which no person has confirmed yet',
  'under-unconfirmed-root': 'no confirmed root vouches for the certificate of the endpoint',
  'under-leaving-root': 'the certificate of the endpoint is under the very root that it removes',
  'sequence-not-higher': 'its sequence is not higher than the approved one',
  'roots-share-name': 'two of its roots have one name and no chain was seen that tells them apart',
}

const names = (roots: readonly Fingerprint[]): string => roots.join(', ')
const change = (added: readonly Fingerprint[], removed: readonly Fingerprint[]): string =>
  [...(added.length > 0 ? [`adds ${names(added)}`] : []), ...(removed.length > 0 ? [`removes ${names(removed)}`] : [])].join(' and ')

const approveCommand = (member: string, roots: readonly Fingerprint[]): string =>
  `compare the fingerprints with its owner over another channel, then: entente approve ${member} ${[...roots]
    .sort()
    .map((root) => `--fingerprint ${root}`)
    .join(' ')} --reason "WHY"`

export interface Seen {
  readonly member: Pick<Member, 'name' | 'trustDomain'>
  readonly decision: Decision
  readonly added: readonly Fingerprint[]
  readonly removed: readonly Fingerprint[]
  /** All roots of the offer. */
  readonly roots: readonly Fingerprint[]
}

/** What the user has to know after a fetch; none if the endpoint serves the approved roots. */
export function offerFindings({ member, decision, added, removed, roots }: Seen): readonly Finding[] {
  const { name, trustDomain } = member
  const said = `the bundle endpoint of ${trustDomain} ${change(added, removed)}`
  switch (decision.kind) {
    case 'same':
      return []
    case 'approve':
      return [
        info(
          'offer-approved',
          about.member(name),
          `${said}; Entente approved that by itself after the hold`,
          'entente apply --reason "WHY"',
        ),
      ]
    case 'hold': {
      const certificate = decision.missing === 0 ? '' : ', if it then shows a second endpoint certificate'
      const message = `${said}; Entente approves it by itself at the first fetch after ${decision.until.toISOString()}${certificate}`
      return [
        info(
          'offer-held',
          about.member(name),
          message,
          `${approveCommand(name, roots)}; to stop it: ${added.length > 0 ? `entente refuse ${name} --reason "WHY"` : 'write follow: { policy: Manual } into the federation file'}`,
        ),
      ]
    }
    case 'refuse':
      return decision.findings
        .filter(({ severity }) => severity === 'error')
        .map((why) =>
          error(
            'offer-refused',
            about.member(name),
            `${said || `the bundle endpoint of ${trustDomain}`}: ${why.subject} ${why.message} (${why.code}); the approved roots stay`,
            why.hint,
          ),
        )
    case 'person':
      return [decision.reason === 'emptied' ? emptied(name, trustDomain) : waits(name, said, decision.reason, roots)]
  }
}

const waits = (name: string, said: string, reason: Exclude<Reason, 'emptied'>, roots: readonly Fingerprint[]): Finding =>
  warning('offer-waits', about.member(name), `${said}; that waits for a person, because ${REASONS[reason]}`, approveCommand(name, roots))

const emptied = (name: string, trustDomain: string): Finding =>
  error(
    'offer-emptied',
    about.member(name),
    `the bundle endpoint of ${trustDomain} publishes no root any more: its owner revokes all of them; the approved roots stay until a person decides`,
    `call its owner; to end the trust: entente sever TRUSTER ${name} --reason "WHY"`,
  )

/** Roots that Entente added by itself and that no person confirmed since. */
export function unconfirmedAdditions({ name, trustDomain }: Member, domain: DomainRecord | undefined): readonly Finding[] {
  const roots = [...(domain?.newest?.roots ?? [])]
  const open = roots.filter((root) => domain?.confirmed?.has(root) !== true)
  if (open.length === 0) return []
  return [
    warning(
      'addition-unconfirmed',
      about.member(name),
      `Entente approved ${names(open)} of ${trustDomain} by itself, and no person confirmed it; until then it follows no further change of this domain`,
      approveCommand(name, roots),
    ),
  ]
}

const HOUR = 3_600_000

/** Within an hour, or three intervals if they are longer. */
export const isRecent = (success: Date | undefined, hint: { readonly refreshHintSeconds?: number }, now: Date): boolean =>
  success !== undefined && now.getTime() - success.getTime() <= Math.max(3 * intervalMs(hint), HOUR)

/** @param success the last successful fetch; undefined: there was none */
export function stale(
  { name, bundleEndpoint }: Member,
  success: Date | undefined,
  failure: Finding | undefined,
  hint: { readonly refreshHintSeconds?: number },
  now: Date,
): readonly Finding[] {
  if (bundleEndpoint === undefined) return []
  if (isRecent(success, hint, now)) return []
  const since = success === undefined ? 'has not been fetched from here' : `was fetched last at ${success.toISOString()}`
  const why = failure === undefined ? '' : `; the last try failed: ${failure.message}`
  return [
    warning(
      'endpoint-stale',
      about.member(name),
      `its bundle endpoint ${bundleEndpoint.url} ${since}${why}; the approved roots stay`,
      'entente follow',
    ),
  ]
}
