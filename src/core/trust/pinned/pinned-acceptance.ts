/** `pinned`: Envoy's SPIFFE validator has the roots inside the filter, and istiod's dump shows them. */
import { type Answer, type Carrier, type TlsContext, takesNamesOf } from '../acceptance.ts'

export const pinned: Carrier = {
  carries: ({ pins, file }) => pins !== undefined && file === undefined,
  accepts: boundIn,
}

/** By the validator's bundle of the domain (a domain without one is refused) and by the names that the context takes. */
export function boundIn(context: TlsContext, domain: Parameters<Carrier['accepts']>[1]): Answer {
  const roots = context.pins?.get(domain)
  const taken = roots !== undefined && takesNamesOf(context, domain)
  return { accepts: taken ? 'yes' : 'no', bound: roots !== undefined, roots: roots ?? [], ...(context.host && { host: context.host }) }
}
