/** Assembles a mesh config from pieces: fields with other names, or `meshConfig.a.b=c`, each with its own position. */
import type { Path, Source, View } from '../source.ts'

export interface Piece {
  /** In the mesh config. */
  readonly path: Path
  readonly value: unknown
  /** Its path in the source. */
  readonly from: Path
}

export function assembled(source: Source, pieces: readonly Piece[], at: Path): View {
  const value = {}
  for (const piece of pieces) put(value, piece.path, piece.value)
  const spot = (path: Path) => {
    const nearest = pieces.filter((piece) => common(piece.path, path) > 0).sort((a, b) => common(b.path, path) - common(a.path, path))[0]
    if (nearest === undefined) return source.spot(at)
    return source.spot([...nearest.from, ...path.slice(nearest.path.length)])
  }
  return { value, path: [], source: { ...source, value, spot, embedded: () => undefined } }
}

function common(a: Path, b: Path): number {
  let i = 0
  while (i < a.length && i < b.length && a[i] === b[i]) i++
  return i
}

type Node = Record<string | number, unknown>

function put(root: Node, path: Path, value: unknown): void {
  let here = root
  for (const [i, step] of path.entries()) {
    if (i === path.length - 1) here[step] = value
    else {
      const there = here[step]
      const next = typeof there === 'object' && there !== null ? there : typeof path[i + 1] === 'number' ? [] : {}
      here[step] = next
      here = next as Node
    }
  }
}

/** An upper limit for list indexes: no list of settings has as many items. */
const MAX_INDEX = 1_000

/**
 * Reads `istiod.meshConfig.trustDomainAliases[0]` as helm's --set does; undefined if the name is outside a mesh config.
 */
export function meshConfigPath(name: string): { readonly within: string; readonly path: Path } | undefined {
  const steps = stepsOf(name)
  const start = steps.indexOf('meshConfig')
  const path = steps.slice(start + 1)
  if (start === -1 || path.length === 0 || path.some((step) => step === '__proto__' || Number(step) > MAX_INDEX)) return undefined
  return { within: steps.slice(0, start).join('.'), path }
}

/** A dot ends a key, unless a backslash precedes it; `[0]` is an item of a list. */
function stepsOf(name: string): readonly (string | number)[] {
  const steps: (string | number)[] = []
  let key = ''
  const end = (index = false): void => {
    if (index ? /^\d{1,4}$/.test(key) : key !== '') steps.push(index ? Number(key) : key)
    key = ''
  }
  for (let i = 0; i < name.length; i++) {
    const c = name.charAt(i)
    if (c === '\\') key += name.charAt(++i)
    else if (c === ']') end(true)
    else if (c === '.' || c === '[') end()
    else key += c
  }
  end()
  return steps
}

/** Converts a value as helm's --set does: `{a,b}` is a list; true, false, null and numbers are not strings. */
export function helmValue(value: unknown, asText = false): unknown {
  if (typeof value !== 'string') return value
  const list = /^\{([^{}]*)\}$/.exec(value)?.[1]
  if (list !== undefined) return list === '' ? [] : list.split(',').map((item) => helmValue(item.trim(), asText))
  if (asText) return value
  if (/^(?:true|false)$/.test(value)) return value === 'true'
  if (value === 'null') return null
  return /^(?:0|-?[1-9]\d{0,14})$/.test(value) ? Number(value) : value
}
