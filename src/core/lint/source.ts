/** The documents that lint reads, with the position of each part. Other modules read the files. */
import { at } from '../model/manifest.ts'

export type Path = readonly (string | number)[]

/** Counted from 1. */
export interface Spot {
  readonly line: number
  readonly column: number
}

export interface RepeatedKey {
  readonly key: string
  readonly spot: Spot
  readonly ignored: Spot
}

/** One YAML document. */
export interface Source {
  /** As the user named it; `-` is stdin. */
  readonly file: string
  /** The command-line argument: a file, a directory or stdin. Lint treats the files of one argument as one mesh. */
  readonly given: string
  readonly value: unknown
  /** The start of the key or item at the path, or of its closest enclosing one. */
  spot(path: Path): Spot
  /** The text at the path, parsed as YAML, such as the mesh config in a ConfigMap. Undefined if there is no text. */
  embedded(path: Path): Source | undefined
  /** Keys that occur twice in a mapping, each with the position of the effective one and of the one before it. */
  readonly repeated?: readonly RepeatedKey[]
  /** The source is text in another document, and that text holds further documents. */
  readonly later?: boolean
  /** Why lint could not read it; then there is no value. */
  readonly fault?: { readonly code: 'yaml-invalid' | 'document-too-large' | 'helm-template'; readonly message: string }
}

export interface LintFile {
  readonly file: string
  readonly given: string
  /** For comments; line ends are LF. */
  readonly text: string
  readonly documents: readonly Source[]
}

/** A part of a document, with its path. */
export interface View {
  readonly value: unknown
  readonly source: Source
  readonly path: Path
}

export const viewOf = (source: Source, path: Path = []): View => ({ source, path, value: at(source.value, ...path) })
export const within = (view: View, ...path: Path): View => ({
  source: view.source,
  path: [...view.path, ...path],
  value: at(view.value, ...path),
})
export const spotOf = (view: View, ...path: Path): Spot => view.source.spot([...view.path, ...path])

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The maximum depth of nesting that lint visits; no manifest is nested as deep. */
const MAX_DEPTH = 200

/**
 * Visits every key and every text of a value. It visits each shared part (a YAML alias) once, so its time is linear
 * even if aliases multiply.
 * @param visit receives the path, the key and the value; if it returns `false`, `walk` does not descend into the value
 */
export function walk(value: unknown, visit: (path: Path, key: string | number, value: unknown) => unknown): void {
  const seen = new WeakSet<object>()
  const path: (string | number)[] = []
  const go = (here: unknown): void => {
    if (typeof here !== 'object' || here === null || seen.has(here) || path.length > MAX_DEPTH) return
    seen.add(here)
    const entries = Array.isArray(here) ? here.entries() : Object.entries(here)
    for (const [key, item] of entries) {
      path.push(key)
      if (visit(path, key, item) !== false) go(item)
      path.pop()
    }
  }
  go(value)
}
