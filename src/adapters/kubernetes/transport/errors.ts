/** Turns the answer of an API server, or a network error, into an Entente error. */

import { clip } from '../../../core/basics/clip.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Subject } from '../../../core/diagnostics/subject.ts'
import { at, list, text } from '../../../core/model/manifest.ts'
import { type Resource, rbacName } from '../resources.ts'

/** The request in RBAC's terms. `resource` may name a subresource: `serviceaccounts/token`. */
export interface Asked {
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete'
  readonly resource: string
  readonly namespace?: string
  readonly name?: string
}

export function asked(verb: Asked['verb'], resource: Resource, namespace?: string, name?: string): Asked {
  return { verb, resource: rbacName(resource), ...(namespace === undefined ? {} : { namespace }), ...(name === undefined ? {} : { name }) }
}

const PORT_FORWARD = 'pods/portforward'

/** `list envoyfilters.networking.istio.io in namespace sample`. */
export function phrase({ verb, resource, namespace, name }: Asked): string {
  if (resource === PORT_FORWARD && name !== undefined)
    return `open a port-forward to pod ${namespace === undefined ? '' : `${namespace}/`}${name}`
  return `${verb} ${resource}${name === undefined ? '' : ` ${name}`}${namespace === undefined ? '' : ` in namespace ${namespace}`}`
}

export interface Answer {
  readonly status: number
  /** Parsed JSON, or the start of the text if it was none. */
  readonly body: unknown
  /** Its header Date: the server's clock, to the second. */
  readonly date?: string
  /** Its header Retry-After. */
  readonly retryAfter?: string
}

/** One field that another manager owns (server-side apply, `details.causes`). */
export interface FieldConflict {
  readonly manager: string
  readonly field: string
}

/** The conflicts that a 409 of a server-side apply lists; empty for one about resourceVersion. */
export function fieldConflicts({ status, body }: Answer): readonly FieldConflict[] {
  if (status !== 409) return []
  return list(at(body, 'details', 'causes'))
    .filter((cause) => at(cause, 'reason') === 'FieldManagerConflict')
    .map((cause) => ({
      manager: /^conflict with "([^"]*)"/.exec(text(at(cause, 'message')))?.[1] ?? text(at(cause, 'message')),
      field: text(at(cause, 'field')),
    }))
}

/** The error for a status outside 2xx. */
export function refusal(subject: Subject | string, context: string, what: Asked, answer: Answer): FederationError {
  const said = clip(text(at(answer.body, 'message')), 2000) || (typeof answer.body === 'string' ? clip(answer.body, 200) : '')
  const fail = (code: FederationError['code'], message: string, hint: string): FederationError =>
    new FederationError(code, subject, message, { hint })
  // A webhook or admission policy rejects with 400, 403 or 422: it rejects the object, not the caller.
  if (/admission webhook|ValidatingAdmissionPolicy/.test(said)) {
    return fail(
      'object-invalid',
      `admission refuses to ${phrase(what)}: ${said}`,
      'ask the owner of that admission rule, or change the object',
    )
  }
  if (said.includes('request is too large') || answer.status === 413) {
    return fail(
      'object-invalid',
      `the object is larger than the cluster can store (etcd takes about 1.5 MiB): ${phrase(what)}`,
      'approve fewer roots, or select fewer trust domains in one scope',
    )
  }
  // Server-side apply answers 500 for a field that the schema lacks, or whose type differs.
  if (said.includes('typed patch object'))
    return fail('object-invalid', `${phrase(what)}: ${said}`, 'check that the installed version of Istio has that field')
  switch (answer.status) {
    case 401:
      return fail(
        'cluster-refused',
        `the API server rejects the credentials of context ${context}`,
        `kubectl --context ${context} auth whoami`,
      )
    case 403:
      return fail('forbidden', `${whoIn(said)} may not ${phrase(what)}${said.includes(' cannot ') ? '' : `: ${said}`}`, canI(context, what))
    case 404:
      return fail('not-found', `Entente could not ${phrase(what)}: ${said === '' ? 'there is no such object' : said}`, '')
    case 409:
      return conflict(subject, what, answer, said)
    case 400:
    case 422:
      return fail('object-invalid', `${phrase(what)}: ${said}`, '')
    case 429:
      return fail('cluster-refused', `the API server limits requests: ${phrase(what)}`, 'wait a moment and run it again')
    default:
      return fail(
        'cluster-refused',
        `answered ${answer.status} to ${phrase(what)}${said === '' ? '' : `: ${said}`}`,
        'check the API server',
      )
  }
}

function conflict(subject: Subject | string, what: Asked, answer: Answer, said: string): FederationError {
  const conflicts = fieldConflicts(answer)
  if (conflicts.length === 0) {
    return new FederationError('changed-meanwhile', subject, `${phrase(what)}: ${said || 'another client changed it at the same moment'}`, {
      hint: 'run the command again: it plans again',
    })
  }
  const fields = conflicts.map((c) => `${c.field} by ${c.manager}`).join(', ')
  return new FederationError('conflict', subject, `${phrase(what)}: other managers own fields of it: ${fields}`, {
    hint: 'stop the other manager from writing this object, or take it over with --force-conflicts',
  })
}

/** RBAC's message names the user as the API server identified it, which may differ from the expected one. */
const whoIn = (said: string): string => /User "([^"]*)"/.exec(said)?.[1] ?? 'this account'

function canI(context: string, { verb, resource, namespace, name }: Asked): string {
  const [plain, subresource] = resource.split('/')
  const parts = [plain + (name === undefined ? '' : `/${name}`), ...(subresource === undefined ? [] : [`--subresource=${subresource}`])]
  return `kubectl --context ${context} auth can-i ${verb} ${parts.join(' ')}${namespace === undefined ? ' -A' : ` -n ${namespace}`}`
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ENOTFOUND: 'the host name does not resolve',
  EAI_AGAIN: 'the host name does not resolve just now',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

/** Verification failures of node:tls that mean: not the configured CA. */
const UNVERIFIED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_)/

/** A request that never got an answer. */
export function unreachable(subject: Subject | string, server: string, cause: unknown): FederationError {
  const code = text(at(cause, 'code'))
  const message = cause instanceof Error ? cause.message : String(cause)
  const why = NETWORK[code] ?? (UNVERIFIED.test(code) ? 'its certificate does not verify under the CA of the kubeconfig' : message)
  return new FederationError('cluster-unreachable', subject, `${server}: ${why}${code === '' || why === message ? '' : ` (${code})`}`, {
    hint:
      code === '' || NETWORK[code] !== undefined
        ? 'check that the cluster runs, and that this machine can reach it'
        : 'compare the CA in the kubeconfig with the cluster',
    cause,
  })
}
