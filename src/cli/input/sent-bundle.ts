/** `--bundle`: a bundle that its owner sent. */
import type { SentBundle } from '../../app/approve/offer.ts'
import type { Io } from '../io.ts'

export interface BundleOptions {
  /** Its file; `-` is stdin. */
  readonly bundle?: string
}

export const sentBundle = ({ bundle }: BundleOptions, io: Pick<Io, 'readFile'>): { readonly sent?: SentBundle } =>
  bundle === undefined ? {} : { sent: { name: bundle, read: () => io.readFile(bundle) } }
