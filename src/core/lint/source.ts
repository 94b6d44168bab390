/** What lint reads: documents with the place of everything in them. Files are read elsewhere; here they are values. */
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
  /** The argument it came by: a file, a directory, stdin. What came by one argument is taken for one mesh. */
  readonly given: string
  readonly value: unknown
  /** Where the key or item at the path begins, or the closest around it. */
  spot(path: Path): Spot
  /** The text at the path, read as YAML of its own: the mesh config in a ConfigMap. Undefined where there is no text. */
  embedded(path: Path): Source | undefined
  /** Keys that stand twice in a mapping, each with the place of the one that counts and of the one before it. */
  readonly repeated?: readonly RepeatedKey[]
  /** It is text in another document, and further documents follow it there. */
  readonly later?: boolean
  /** Why it could not be read; then there is no value. */
  readonly fault?: { readonly code: 'yaml-invalid' | 'document-too-large' | 'helm-template'; readonly message: string }
}

export interface LintFile {
  readonly file: string
  readonly given: string
  /** For comments; line ends are LF. */
  readonly text: string
  readonly documents: readonly Source[]
}

/** A part of a document, with the way to it. */
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

/** Deeper than any manifest; what is nested deeper is not looked at. */
const MAX_DEPTH = 200

/**
 * Visits every key and every text of a value, each shared part (a YAML alias) once: linear also where aliases multiply.
 * @param visit gets the way to it, the key, and the value; what it answers `false` to is not gone into
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
