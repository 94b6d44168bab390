/** Adds `apiVersion` and `kind` to every JSON document, as in Kubernetes objects. */
import { API_VERSION } from '../model/api-version.ts'
import type { Kind, View } from './schemas.ts'

/** A view without the fields that `documented` adds. */
export type Content<K extends Kind> = Omit<View<K>, 'apiVersion' | 'kind'>

export const documented = <K extends Kind>(
  kind: K,
  content: Content<K>,
): Content<K> & { readonly apiVersion: typeof API_VERSION; readonly kind: K } => ({
  apiVersion: API_VERSION,
  kind,
  ...content,
})
