/** Findings about a mesh, its workloads and its hosts. Each code has one producer. */
import { error, type Finding, finding, type Severity, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'

/** @param next the command that observes again; absent: the finding concerns an unproven removal, and is a warning */
export const notObserved = (member: string, next?: 'entente plan' | 'entente verify'): Finding =>
  next === undefined
    ? warning('not-observed', about.member(member), 'could not be observed, so that it let go is not proven')
    : error('not-observed', about.member(member), 'was not observed', next)

/** @param because why Entente could not make the check */
export const notChecked = (severity: Severity, subject: Subject, because: string, hint = ''): Finding =>
  finding('not-checked', severity, subject, because, hint)

export const trustDomainDiffers = (member: string, inMesh: string, inFile: TrustDomain | undefined): Finding =>
  error(
    'trust-domain-differs',
    about.member(member),
    `its mesh config says trust domain ${inMesh}, the federation file ${inFile}`,
    `correct trustDomain of member ${member}`,
  )

/** @param what the kind of which the scope selects none */
export const noWorkload = (where: Subject, what: 'pod' | 'gateway' | { readonly running: string }): Finding =>
  typeof what === 'string'
    ? warning('no-workload', where, `selects no ${what} yet`, 'check the namespace and the labels, if you expected one')
    : warning('no-workload', where, `no running ${what.running}`, 'check namespaces and selectors')

/** @param who accepts plaintext, and by which policy */
export const mtlsNotStrict = (subject: Subject, who: string, hint: string): Finding =>
  error('mtls-not-strict', subject, `${who}; who comes in plaintext shows no identity, so callers does not hold for them`, hint)

/** @param who accepts no mutual TLS, and by which policy */
export const mtlsDisabled = (subject: Subject, who: string, hint: string): Finding =>
  error('mtls-disabled', subject, `${who}; no port there accepts mutual TLS, so no caller of another mesh can be accepted`, hint)

/** @param why the host is unknown there */
export const serviceUnknown = (subject: Subject, why: string, hint: string): Finding => error('service-unknown', subject, why, hint)

/** @param why the cluster does not use ISTIO_MUTUAL, and for which ports and subsets */
export const reachNotMutual = (subject: Subject, why: string, hint: string): Finding =>
  error('reach-not-mutual', subject, `${why}: a validator there breaks the cluster, or sits inside its TLS`, hint)

/** @param who the workloads without PROXY_CONFIG_XDS_AGENT, and the reason */
export const xdsAgentOff = (member: string, who: string, hint: string): Finding =>
  warning('xds-agent-off', about.member(member), `${who}: such proxies never learn these roots, and refuse what is under them`, hint)

/**
 * @param why the reason these gateways cannot have the filter
 * @param beside the scope selects other workloads in addition
 */
export const gatewayScope = (where: Subject, why: string, hint: string, beside = false): Finding =>
  (beside ? warning : error)('gateway-scope', where, why, hint)

/** @param server name for messages */
export const gatewayServer = (subject: Subject, server: string, why: string, hint: string): Finding =>
  error('gateway-server', subject, `${server}: ${why}`, hint)

/**
 * @param effect the change that another owner's filter makes
 * @param held `ours`: a live proxy does not have the settings of our filter
 */
export const foreignFilter = (subject: Subject, effect: string, hint: string, held: 'ours' | 'unknown'): Finding =>
  (held === 'ours' ? error : warning)('foreign-filter', subject, effect, hint)
