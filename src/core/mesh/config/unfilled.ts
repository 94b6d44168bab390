/**
 * Placeholders that a tool replaces before Istio reads the text: Flux and envsubst (`${NAME}`, `$NAME`), kustomize and
 * Kubernetes (`$(NAME)`), templates (`{{ … }}`, also with U+E000 in place of the braces), `<NAME>`.
 */
const PLACEHOLDER = /\$[{(A-Za-z_]|\{\{|<[A-Za-z][\w .-]*>|\ue000/

export const isPlaceholder = (value: unknown): boolean => typeof value === 'string' && PLACEHOLDER.test(value)
