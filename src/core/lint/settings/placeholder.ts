/**
 * Placeholders that another tool replaces before Kubernetes reads them: Flux and envsubst `${X}`, Helm and Argo CD
 * `{{ }}`, kustomize `$(X)`.
 */
import { printable } from '../../x509/syntax/printable.ts'

/** Replaces the braces and spaces of `{{ }}` in YAML text, which a YAML parser would read as syntax. */
const MASK = '\ue000'

/** Replaces every `{{ }}` with a word of the same length, so that lines and columns stay the same. */
export const masked = (content: string): string =>
  content.includes('{{') ? content.replace(/\{\{[^{}\n]*\}\}/g, (all) => all.replace(/[^A-Za-z0-9]/g, MASK)) : content

export const shownPlaceholder = (value: string): string =>
  JSON.stringify(printable(value.replace(/\ue000{2,}(\w*)\ue000{2,}/g, '{{ $1 }}').replaceAll(MASK, '.'), 80))
