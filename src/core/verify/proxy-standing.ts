/** The state of one proxy, compared with the wanted state. */
import type { Finding } from '../diagnostics/finding.ts'

/** One fact about a proxy, with its finding. */
export interface Fact {
  /**
   * `differs`: the proxy does not hold the wanted configuration. `context-differs`: likewise, in a TLS context, which an
   * EnvoyFilter of another owner may have changed. `unserved`: it holds it, but a host that it calls has
   * no endpoint. `pending`: its kubelet may not have written its file yet. `unmounted`: it has no mount, so no root of
   * the scope reaches it. `told`: a finding that changes no state.
   */
  readonly is: 'differs' | 'context-differs' | 'unserved' | 'pending' | 'unmounted' | 'told'
  readonly finding: Finding
}

export const differs = (finding: Finding): Fact => ({ is: 'differs', finding })
export const contextDiffers = (finding: Finding): Fact => ({ is: 'context-differs', finding })

/** One proxy that a scope selects, compared with the wanted state. */
export interface Standing {
  readonly proxy: string
  /** `pending`, `unmounted`: as in `Fact`. */
  readonly state: 'ready' | 'lagging' | 'rejected' | 'unheard' | 'pending' | 'unmounted'
  /** A fault that waiting does not repair: a trust with such a proxy is `broken`. */
  readonly wrong: boolean
  /** An EnvoyFilter of another owner may be the cause: a TLS context differs, or Envoy rejected its configuration. */
  readonly contextDiffers: boolean
  /** The differences; empty if the proxy holds exactly the wanted configuration. */
  readonly findings: readonly Finding[]
}
