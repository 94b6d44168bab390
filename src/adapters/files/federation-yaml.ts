/** One YAML file of a federation: its value, and the lines of what is in it. */

import { type Document, isMap, LineCounter, parseDocument } from 'yaml'
import { type Fault, FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Place } from '../../core/federation/expand/places.ts'
import type { Problem } from '../../core/federation/parse.ts'
import { tooDeepAt } from '../yaml/depth.ts'

export interface YamlFile {
  /** As messages name it. */
  readonly path: string
  readonly document: Document.Parsed
  readonly lines: LineCounter
}

/** The federation file, and the files that it includes by the paths in it. */
export interface YamlFiles {
  readonly main: YamlFile
  readonly included: ReadonlyMap<string, YamlFile>
}

/** A problem with its line, and the line of the entry that it conflicts with. */
export function faultOf({ path, message, hint, file, other }: Problem, files: YamlFiles): Fault {
  const where = path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  )
  const against = other === undefined ? '' : `; the other entry is ${lineText(other, files)}`
  const at = lineText(file === undefined ? { path } : { path, file }, files)
  return { message: `${at}: ${where === '' ? '' : `${where}: `}${message}${against}`, hint }
}

/** `federation.yaml:12` */
export function lineText({ path, file }: Place, { main, included }: YamlFiles): string {
  const yaml = file === undefined ? main : (included.get(file) ?? main)
  const line = lineOf(path, yaml.document, yaml.lines)
  return `${yaml.path}${line === undefined ? '' : `:${line}`}`
}

/** @throws FederationError federation-invalid */
export function parseYaml(path: string, text: string): YamlFile {
  if (tooDeepAt(text) !== undefined) throw invalid(path, [`${path}: is nested too deeply`])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, keepSourceTokens: true })
  const [first] = document.errors
  if (first !== undefined) {
    const line = first.linePos?.[0].line
    const said = (first.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
    const why = first.code === 'MULTIPLE_DOCS' ? 'holds more than one document' : `is not YAML: ${said}`
    throw invalid(path, [`${path}${line === undefined ? '' : `:${line}`}: ${why}`])
  }
  return { path, document, lines }
}

/** Aliases that expand without limit or name nothing are detected only here. */
export function plainValue({ document, path }: YamlFile): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw invalid(path, [`${path}: is not YAML: ${cause instanceof Error ? cause.message : String(cause)}`])
  }
}

/** The line of the node, or of the closest node around it that exists. */
function lineOf(path: readonly (string | number)[], document: Document.Parsed, lines: LineCounter): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const here = path.slice(0, length)
    const node = here.length === 0 ? document.contents : document.getIn(here, true)
    const parent = document.getIn(here.slice(0, -1), true)
    const key = isMap(parent) ? parent.items.find((item) => String(item.key) === String(here.at(-1)))?.key : undefined
    const range = rangeOf(key) ?? rangeOf(node)
    if (range !== undefined) return lines.linePos(range).line
  }
  return undefined
}

function rangeOf(node: unknown): number | undefined {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : undefined
}

/** @param what is to be corrected */
export function invalid(path: string, causes: readonly (string | Fault)[], what: 'the file' | 'the call' = 'the file'): FederationError {
  const faults = causes.map((cause) => (typeof cause === 'string' ? { message: cause, hint: '' } : cause))
  const count = faults.length === 1 ? 'one problem' : `${faults.length} problems`
  const each = faults.map(({ message, hint }) => `  ${message}${hint === '' ? '' : `\n    next: ${hint}`}`)
  return new FederationError('federation-invalid', about.file(path), `${count}\n${each.join('\n')}`, {
    hint: `correct ${what} (nothing was changed)`,
    faults,
  })
}
