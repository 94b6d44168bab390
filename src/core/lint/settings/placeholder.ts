/** Names that another tool fills in before Kubernetes reads them: Flux and envsubst `${X}`, Helm and Argo CD `{{ }}`, kustomize `$(X)`. */
import { printable } from '../../x509/syntax/printable.ts'

/** Stands for the braces and the spaces of `{{ }}` in YAML text within a string, where they would be YAML themselves. */
const MASK = '\ue000'

/** Every `{{ }}` as a word of the same length: lines and columns stay what they were. */
export const masked = (content: string): string =>
  content.includes('{{') ? content.replace(/\{\{[^{}\n]*\}\}/g, (all) => all.replace(/[^A-Za-z0-9]/g, MASK)) : content

export const shownPlaceholder = (value: string): string =>
  JSON.stringify(printable(value.replace(/\ue000{2,}(\w*)\ue000{2,}/g, '{{ $1 }}').replaceAll(MASK, '.'), 80))
