/** Files of YAML or JSON as documents with the place of everything in them. */
import { masked } from '../../core/lint/settings/placeholder.ts'
import type { LintFile, Path, Source, Spot } from '../../core/lint/source.ts'
import { at } from '../../core/model/manifest.ts'
import { type LibraryDocument, offsetIn, readWithLibrary } from './library.ts'
import { type Repeated, readPlain, type Spots } from './plain.ts'

/** For documents that are not plain, the library needs some fifty times their size in memory. */
const MAX_LIBRARY_BYTES = 4 * 1024 * 1024

/** Never throws: an unreadable document contains its fault. */
export function readDocuments(file: string, given: string, content: string): LintFile {
  const text = normal(content)
  const lines = new Lines(text)
  const documents = chunks(text).flatMap(({ start, end }) => {
    const read = readChunk(text.slice(start, end), start)
    return read.map((one): Source => sourceOf(file, given, one, lines))
  })
  const broken = documents.find(({ fault }) => fault !== undefined)
  // A Helm template renders YAML, but is no YAML itself.
  const templated = broken !== undefined && text.includes('{{')
  const fault = { code: 'helm-template', message: 'is a Helm template, not YAML' } as const
  return { file, given, text, documents: templated ? [{ ...broken, fault }] : documents }
}

/** A file of which nothing can be read. */
export function unreadDocument(file: string, given: string, message: string): LintFile {
  const spot = (): Spot => ({ line: 1, column: 1 })
  const source: Source = { file, given, value: undefined, spot, embedded: () => undefined, fault: { code: 'yaml-invalid', message } }
  return { file, given, text: '', documents: [source] }
}

/** LF line ends, a final one, no byte order mark: lines and columns stay what they were. A lone CR ends a line in YAML, too. */
function normal(content: string): string {
  const text = content.startsWith('\ufeff') ? content.slice(1) : content
  const unix = text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text
  return unix.endsWith('\n') ? unix : `${unix}\n`
}

interface Chunk {
  readonly start: number
  readonly end: number
}

/** Splits at every `---` that begins a line, which YAML allows nowhere else. Directives stay with their document. */
function chunks(text: string): readonly Chunk[] {
  const starts = [0, ...[...text.matchAll(/^---(?=[ \t\n])/gm)].map(({ index }) => index).filter((index) => index > 0)]
  const found: Chunk[] = []
  let open: number | undefined
  for (const [i, begin] of starts.entries()) {
    const start = open ?? begin
    const end = starts[i + 1] ?? text.length
    const directives = open === undefined && /^(?:[ \t]*(?:#.*)?\n)*%/.test(text.slice(start, end))
    open = directives && i + 1 < starts.length ? start : undefined
    if (open === undefined && !isBlank(text.slice(start, end))) found.push({ start, end })
  }
  return found
}

const isBlank = (text: string): boolean => /^(?:---)?[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*$/.test(text)

interface Read {
  readonly value: unknown
  readonly offset: (path: Path) => number
  readonly repeated?: readonly Repeated[]
  readonly fault?: Source['fault']
}

function readChunk(text: string, base: number): readonly Read[] {
  const plain = readPlain(text)
  if (plain !== undefined) {
    const { value, spots, repeated } = plain
    return [{ value, offset: (path) => base + plainOffset(value, spots, path), repeated: from(base, repeated) }]
  }
  if (text.length > MAX_LIBRARY_BYTES) {
    const message = `is larger than ${MAX_LIBRARY_BYTES >> 20} MiB, and not plain YAML, which Entente would accept at that size`
    return [{ value: undefined, offset: () => base, fault: { code: 'document-too-large', message } }]
  }
  const documents = readWithLibrary(text)
  if (!Array.isArray(documents)) {
    const { message, offset } = documents as { message: string; offset: number }
    return [{ value: undefined, offset: () => base + offset, fault: { code: 'yaml-invalid', message } }]
  }
  return (documents as readonly LibraryDocument[]).map(({ value, fault, document, repeated }) => ({
    value,
    repeated: from(base, repeated),
    offset: fault === undefined ? (path) => base + offsetIn(document, path) : () => base + fault.offset,
    ...(fault === undefined ? {} : { fault: { code: 'yaml-invalid', message: fault.message } as const }),
  }))
}

const from = (base: number, repeated: readonly Repeated[]): readonly Repeated[] =>
  repeated.map(({ key, offset, ignored }) => ({ key, offset: base + offset, ignored: base + ignored }))

function plainOffset(root: unknown, spots: Spots, path: Path): number {
  let here = root
  let offset = firstOffset(root, spots)
  for (const step of path) {
    const places = typeof here === 'object' && here !== null ? spots.get(here) : undefined
    const found = Array.isArray(places) ? places[Number(step)] : (places as ReadonlyMap<string, number> | undefined)?.get(String(step))
    if (found === undefined) return offset
    offset = found
    here = at(here, step)
  }
  return offset
}

function firstOffset(root: unknown, spots: Spots): number {
  const places = typeof root === 'object' && root !== null ? spots.get(root) : undefined
  return (Array.isArray(places) ? places[0] : places?.values().next().value) ?? 0
}

function sourceOf(file: string, given: string, read: Read, lines: Lines): Source {
  const spot = (path: Path): Spot => lines.spot(read.offset(path))
  const known = new Map<string, Source | undefined>()
  const embedded = (path: Path): Source | undefined => {
    const key = JSON.stringify(path)
    if (!known.has(key)) known.set(key, embed(file, given, at(read.value, ...path), spot(path), lines))
    return known.get(key)
  }
  const repeated = (read.repeated ?? []).map(({ key, offset, ignored }) => ({
    key,
    spot: lines.spot(offset),
    ignored: lines.spot(ignored),
  }))
  return { file, given, value: read.value, spot, embedded, repeated, ...(read.fault === undefined ? {} : { fault: read.fault }) }
}

/** In a block scalar every line has a known position; in any other text only the beginning has. */
function embed(file: string, given: string, content: unknown, key: Spot, lines: Lines): Source | undefined {
  if (typeof content !== 'string') return undefined
  const [first, ...more] = readDocuments(file, given, masked(content)).documents
  if (first === undefined) return undefined
  const source = more.length === 0 ? first : { ...first, later: true }
  const header = lines.line(key.line)
  if (!/[|][-+0-9]*[ \t]*(?:#|$)/.test(header)) return moved(source, () => key)
  let begin = key.line + 1
  while (begin < lines.count && lines.line(begin).trim() === '') begin++
  const indent = lines.line(begin).length - lines.line(begin).trimStart().length
  return moved(source, ({ line, column }) => ({ line: key.line + line, column: column + indent }))
}

const moved = (source: Source, move: (spot: Spot) => Spot): Source => ({
  ...source,
  spot: (path) => move(source.spot(path)),
  repeated: (source.repeated ?? []).map(({ key, spot, ignored }) => ({ key, spot: move(spot), ignored: move(ignored) })),
  embedded: (path) => {
    const inner = source.embedded(path)
    return inner === undefined ? undefined : moved(inner, move)
  },
})

/** The beginnings of lines, computed at the first use. */
class Lines {
  private readonly text: string
  private starts: number[] | undefined

  constructor(text: string) {
    this.text = text
  }

  private get all(): number[] {
    if (this.starts !== undefined) return this.starts
    const starts = [0]
    for (let i = this.text.indexOf('\n'); i !== -1; i = this.text.indexOf('\n', i + 1)) starts.push(i + 1)
    this.starts = starts
    return starts
  }

  get count(): number {
    return this.all.length
  }

  /** @param number from 1 */
  line(number: number): string {
    const start = this.all[number - 1] ?? this.text.length
    const end = this.text.indexOf('\n', start)
    return this.text.slice(start, end === -1 ? undefined : end)
  }

  spot(offset: number): Spot {
    const { all } = this
    let [low, high] = [0, all.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((all[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (all[low] ?? 0) + 1 }
  }
}
