/**
 * Distribution `mounted`: Envoy's SPIFFE validator reads the roots from a file. istiod shows the path only. The content
 * is that of the ConfigMap once the kubelet has written it. If the file is gone or empty, Envoy keeps the roots that it
 * read last.
 */
import type { Pins } from '../../model/observed.ts'
import { type Carrier, takesNamesOf } from '../acceptance.ts'
import { boundIn } from '../pinned/pinned-acceptance.ts'

/** The content of the file is unknown: it is in no ConfigMap, or has no root. */
export const isFileGone = ({ pins }: { readonly pins?: Pins }): boolean => pins === undefined || pins.size === 0

export const mounted: Carrier = {
  carries: ({ file }) => file !== undefined,
  accepts(context, domain, { awaited }) {
    const { file = '', host } = context
    const where = { file, ...(host && { host }) }
    const taken = takesNamesOf(context, domain)
    if (isFileGone(context))
      return taken
        ? { accepts: 'unknown', bound: false, roots: [], doubt: 'file-gone', ...where }
        : { accepts: 'no', bound: false, roots: [], ...where }
    const now = { ...boundIn(context, domain), ...where }
    const until = taken ? awaited?.(file) : undefined
    return until === undefined ? now : { ...now, accepts: 'unknown', doubt: 'file-pending', until }
  },
}
