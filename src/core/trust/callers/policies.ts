/** The policies beside a filter: which callers pass, and that everybody must show a certificate. */

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
 * One DENY for each set of workloads, a rule for each trusted domain: everybody of that domain but the callers.
 * A DENY leaves local callers, and whatever other policies say of them, untouched. Two DENYs on one workload would
 * deny each other's callers, which is why there is one object for each set.
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

/** The callers each domain's rule lets past; other rules of a policy are passed over. */
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

/** Whether a policy is STRICT, and the ports that it excepts. */
export function readStrict(object: Manifest): Pick<Inbound, 'strict' | 'plaintext'> {
  const ports = Object.entries(at(object, 'spec', 'portLevelMtls') ?? {}).flatMap(([port, set]): [number, Exception][] => {
    const mode = text(at(set, 'mode'))
    return mode === 'PERMISSIVE' || mode === 'DISABLE' ? [[Number(port), mode]] : []
  })
  const plaintext = exceptions(ports)
  return { strict: at(object, 'spec', 'mtls', 'mode') === 'STRICT', ...(plaintext === undefined ? {} : { plaintext }) }
}
