/**
 * A short-lived token of Entente's service account for istiod's debug port, kept in memory only. istiod accepts accounts
 * of its own namespace with audience istio-ca (pilot/pkg/xds/debug.go AuthorizeDebugRequest, eed52ebb66ad).
 */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { at, text } from '../../core/model/manifest.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'

const SERVICE_ACCOUNT = 'entente'
const AUDIENCE = 'istio-ca'
const LIFE_SECONDS = 600
const RENEW_MS = 120_000

export interface Tokens {
  /** @throws FederationError forbidden, not-found (no such service account), … */
  get(): Promise<string>
}

export function tokens(client: KubeClient, namespace: string, now: () => number = Date.now): Tokens {
  let held: { readonly token: Promise<string>; readonly until: number } | undefined
  return {
    get() {
      if (held !== undefined && now() < held.until) return held.token
      const token = request(client, namespace)
      held = { token, until: now() + LIFE_SECONDS * 1000 - RENEW_MS }
      token.catch(() => {
        held = undefined
      })
      return token
    },
  }
}

async function request(client: KubeClient, namespace: string): Promise<string> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${SERVICE_ACCOUNT}/token`
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [AUDIENCE], expirationSeconds: LIFE_SECONDS },
  }
  const asked = { verb: 'create', resource: 'serviceaccounts/token', namespace, name: SERVICE_ACCOUNT } as const
  const answer = await client.call({ method: 'POST', path, body }, asked)
  const token = text(at(answer.body, 'status', 'token'))
  if (token !== '') return token
  throw new FederationError('cluster-refused', client.subject, `returned no token for service account ${namespace}/${SERVICE_ACCOUNT}`)
}
