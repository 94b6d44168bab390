/** Bounds the nesting of YAML before the library parses it. */

export const MAX_DEPTH = 500
/** Two columns for each level, or one collection indicator for each. */
const INDENTED = /^(?: {1000}|(?:[ \t]*[-?:][ \t]){500})/m

/**
 * The library recurses once per level. At the end of the stack V8 may not throw but end the process (a regular expression
 * that is compiled there). So this code bounds the depth before parsing: by indentation, by `- - -`, and by brackets,
 * including those in text.
 */
export function tooDeepAt(text: string): number | undefined {
  const indented = INDENTED.exec(text)
  if (indented !== null) return indented.index
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === OPEN_BRACKET || c === OPEN_BRACE) {
      if (++depth > MAX_DEPTH) return i
    } else if (depth > 0 && (c === OPEN_BRACKET + 2 || c === OPEN_BRACE + 2)) depth--
  }
  return undefined
}

const OPEN_BRACKET = 91
const OPEN_BRACE = 123
