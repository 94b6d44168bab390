/** Findings about a live proxy and its roots. Each code has one producer. */

import { FILTER_OVERRIDDEN } from '../../diagnostics/codes.ts'
import { error, type Finding, info, warning } from '../../diagnostics/finding.ts'
import { about, type Subject } from '../../diagnostics/subject.ts'
import { getPod } from '../../mesh/pods.ts'
import type { Phase } from '../../model/planned.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'

const APPLY = 'entente apply'

/**
 * @param what the rejected configuration, in words for the message
 * @param words Envoy's error
 */
export const filterRejected = (subject: Subject, what: string, words: string, hint = 'entente plan shows what interferes'): Finding =>
  error('filter-rejected', subject, `${what}: ${words}`, hint)

const LEFT: Readonly<Record<Phase, string>> = {
  guard: 'only restrictions are written, and nothing is open',
  open: 'the new filters stay, and nothing was removed',
  close: 'the filters are gone from the cluster, and the policies that restrict their callers stay',
  clean: 'everything is written',
}

/**
 * What an apply leaves that stops in this phase, because it got no answer.
 * @param wrote false: it waited before the first write of the phase; `canary`: only the canary workload has it
 */
export const leftAfter = (phase: Phase, wrote: boolean | 'canary'): string =>
  wrote === false
    ? 'nothing of this phase is written'
    : `${wrote === 'canary' ? 'no other workload has received it' : LEFT[phase]}; Entente starts no later phase`

/**
 * @param phase the phase of an apply whose next phases wait for these proxies; undefined: `verify` found the lagging
 *   proxy
 */
export const proxyLagging = (
  subject: Subject,
  phase?: { readonly name: Phase; readonly seconds: number; readonly proxies: readonly string[]; readonly left: string },
): Finding =>
  phase === undefined
    ? warning('proxy-lagging', subject, 'has not acknowledged what istiod sent last', 'wait, or read the pod’s istio-proxy log')
    : error(
        'proxy-lagging',
        subject,
        `after ${phase.seconds} s ${phase.proxies.join(', ')} had not acknowledged phase ${phase.name}; ${phase.left}`,
        'entente verify says why; then entente apply goes on from here',
      )

export const proxyUnheard = (proxy: string, because: string): Finding =>
  warning('proxy-unheard', about.proxy(proxy), because, `${getPod(proxy)} -o wide; is its sidecar running and connected?`)

/** @param what the roots that the proxy may still use until its kubelet has written the file */
export const filePending = (proxy: string, until: Date, what: string): Finding =>
  warning(
    'file-pending',
    about.proxy(proxy),
    `${what}; by ${until.toISOString().slice(11, 19)} UTC its kubelet has written it`,
    'wait, or entente apply --nudge',
  )

/**
 * @param at one proxy, or the pods of a scope
 * @param pinned the existing pinned filter stays for it
 */
export const notMounted = (subject: Subject, at: 'proxy' | { readonly pods: string }, pinned: boolean): Finding => {
  const who = at === 'proxy' ? 'has no mount' : `without the mount: ${at.pods}`
  const then = pinned
    ? `${who}; the pinned filter stays there until the pods are rolled out with the mount`
    : `${who}; the filter does not apply there, and nothing foreign is accepted`
  return (pinned && at === 'proxy' ? info : warning)('not-mounted', subject, then, 'entente mount')
}

/** @param planned the plan includes the step that restores the file */
export const fileMissing = (subject: Subject, file: string, planned = false): Finding =>
  (planned ? warning : error)(
    'file-missing',
    subject,
    `a filter reads ${file}, which is in no ConfigMap or is empty: running proxies keep the roots that they loaded, and a new pod never becomes ready`,
    'entente apply, at once; then find out who removed it',
  )

/** @param what the roots of the domain that the proxy lacks */
export const rootMissing = (proxy: string, what: string, hint = APPLY): Finding => error('root-missing', about.proxy(proxy), what, hint)

/** @param what the roots that the proxy has without an approval */
export const rootNotApproved = (proxy: string, what: string, hint: string): Finding =>
  error('root-not-approved', about.proxy(proxy), what, hint)

/**
 * @param what `root`: a root that must be removed; `since`: the event that excluded the domain; `why`: the way it is
 *   still accepted
 */
export const stillHeld = (
  proxy: string,
  domain: TrustDomain,
  what: { readonly root: string; readonly where: string } | { readonly since: string; readonly why: string },
  hint = APPLY,
): Finding =>
  error(
    'still-held',
    about.proxy(proxy),
    'root' in what
      ? `still holds the root ${what.root} of ${domain}${what.where}`
      : `still accepts ${domain} after ${what.since}${what.why === '' ? '' : `: ${what.why}`}`,
    hint,
  )

/** Adds advice to look for another owner's EnvoyFilter, to findings that such a filter can cause. */
export const withFilterAdvice = (findings: readonly Finding[]): readonly Finding[] =>
  findings.map((one) =>
    FILTER_OVERRIDDEN.has(one.code) ? { ...one, hint: `${one.hint}; if it stays, look for another EnvoyFilter on these workloads` } : one,
  )
