/** Distribution `pinned`: the roots of Envoy's SPIFFE validator are inside the filter, and istiod's dump shows them. */
import { type Answer, type Carrier, type TlsContext, takesNamesOf } from '../acceptance.ts'

export const pinned: Carrier = {
  carries: ({ pins, file }) => pins !== undefined && file === undefined,
  accepts: boundIn,
}

/**
 * Answers by the validator's bundle of the domain and by the context's SAN matchers. A validator rejects a domain
 * without a bundle.
 */
export function boundIn(context: TlsContext, domain: Parameters<Carrier['accepts']>[1]): Answer {
  const roots = context.pins?.get(domain)
  const taken = roots !== undefined && takesNamesOf(context, domain)
  return { accepts: taken ? 'yes' : 'no', bound: roots !== undefined, roots: roots ?? [], ...(context.host && { host: context.host }) }
}
