/** Prints and reads the policies that accompany a filter: the callers rule and STRICT mutual TLS. */

import { type Exception, exceptions } from '../../mesh/plaintext.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at, list, text } from '../../model/manifest.ts'
import type { Workloads } from '../../model/wanted.ts'
import type { Principal } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import type { Inbound } from '../state.ts'
import { readPrincipal, wholeDomain } from './principals.ts'

type Spec = Readonly<Record<string, unknown>>

/**
 * Builds one DENY policy per set of workloads, with one rule per trusted domain. The rule denies every identity of that
 * domain except the callers. A DENY does not affect local callers or other policies about them. Two DENY policies on
 * one workload would each deny the other's callers, so each set has one object.
 */
export function callersPolicy({ at: workloads, callers }: Pick<Inbound, 'at' | 'callers'>): Spec {
  return {
    ...selector(workloads),
    action: 'DENY',
    rules: [...callers]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([domain, named]) => ({
        from: [{ source: { principals: [`${domain}/*`], ...(named.length === 0 ? {} : { notPrincipals: [...named].sort() }) } }],
      })),
  }
}

export function strictPolicy({ at: workloads, plaintext }: Pick<Inbound, 'at' | 'plaintext'>): Spec {
  const ports = plaintext === undefined || plaintext === 'all' ? [] : [...plaintext]
  return {
    ...selector(workloads),
    mtls: { mode: 'STRICT' },
    ...(ports.length === 0 ? {} : { portLevelMtls: Object.fromEntries(ports.map(([port, mode]) => [String(port), { mode }])) }),
  }
}

const selector = (workloads: Workloads): Spec => (workloads.labels === undefined ? {} : { selector: { matchLabels: workloads.labels } })

/** Reads the callers that each domain's rule accepts. Ignores other rules of the policy. */
export function readCallers(object: Manifest): ReadonlyMap<TrustDomain, readonly Principal[]> {
  const callers = new Map<TrustDomain, readonly Principal[]>()
  if (at(object, 'spec', 'action') !== 'DENY') return callers
  for (const rule of list(at(object, 'spec', 'rules'))) {
    const source = at(rule, 'from', 0, 'source')
    const domain = wholeDomain(text(at(source, 'principals', 0)))
    if (domain === undefined || at(rule, 'to') !== undefined || at(rule, 'when') !== undefined) continue
    callers.set(
      domain,
      list(at(source, 'notPrincipals')).flatMap((principal) => readPrincipal(text(principal)) ?? []),
    )
  }
  return callers
}

/** Reads the strictness of a policy and its port exceptions. */
export function readStrict(object: Manifest): Pick<Inbound, 'strict' | 'plaintext'> {
  const ports = Object.entries(at(object, 'spec', 'portLevelMtls') ?? {}).flatMap(([port, set]): [number, Exception][] => {
    const mode = text(at(set, 'mode'))
    return mode === 'PERMISSIVE' || mode === 'DISABLE' ? [[Number(port), mode]] : []
  })
  const plaintext = exceptions(ports)
  return { strict: at(object, 'spec', 'mtls', 'mode') === 'STRICT', ...(plaintext === undefined ? {} : { plaintext }) }
}
