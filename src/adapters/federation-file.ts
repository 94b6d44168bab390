/** federation.yaml on disk: read with lines to point at, edited without losing the owner's comments. */
import { realpath } from 'node:fs/promises'
import { type Document, isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import { FederationError } from '../core/errors.ts'
import { type Problem, parseFederation } from '../core/federation.ts'
import type { Federation, Severed } from '../core/model.ts'
import { readIfThere, writeAtomically } from './files.ts'
import { tooDeepAt } from './yaml/depth.ts'

const MAX_BYTES = 4 * 1024 * 1024

/** @throws FederationError file-unreadable, federation-invalid with every problem, its line and what to do */
export async function readFederationFile(path: string): Promise<Federation> {
  const { document, lines } = parseYaml(path, await readText(path))
  const result = parseFederation(plainValue(document, path))
  if ('federation' in result) return result.federation
  throw invalid(
    path,
    result.problems.map((problem) => describe(problem, document, lines, path)),
  )
}

/**
 * Writes `severed` into the file, where nothing re-opens it.
 * @throws FederationError file-unreadable, file-unwritable, federation-invalid
 */
export async function addSevered(path: string, { truster, trusted, at, reason }: Severed): Promise<void> {
  const { document } = parseYaml(path, await readText(path))
  const entry = { truster, trusted, at: at.toISOString(), reason }
  const spec = document.get('spec')
  if (!isMap(spec)) throw invalid(path, [`${path}: has no spec`])
  const severed = spec.get('severed')
  if (isSeq(severed)) {
    severed.flow = false
    severed.add(document.createNode(entry))
  } else spec.set('severed', document.createNode([entry]))
  const text = document.toString({ lineWidth: 0 })
  mustSay(path, text, entry)
  // What the name leads to is written, not the name.
  await writeAtomically(await realpath(path), text)
}

/** The file is the owner's: what we make of it must be one that can be read, with what it said before and this. */
function mustSay(path: string, text: string, { truster, trusted }: { readonly truster: string; readonly trusted: string }): void {
  const result = parseFederation(plainValue(parseYaml(path, text).document, path))
  const said = 'federation' in result && result.federation.severed.some((s) => s.truster === truster && s.trusted === trusted)
  if (said) return
  const problems = 'problems' in result ? result.problems.map(({ message }) => `${path}: ${message}`) : [`${path}: cannot be edited`]
  throw invalid(path, [...problems, `${path}: write it into spec.severed by hand, then run this again`])
}

async function readText(path: string): Promise<string> {
  const file = await readIfThere(path, MAX_BYTES)
  if (file !== undefined) return file.toString('utf8')
  throw new FederationError('file-unreadable', path, 'there is no such file', {
    hint: 'entente init --context A --context B writes one; -f names another',
  })
}

function parseYaml(path: string, text: string): { readonly document: Document.Parsed; readonly lines: LineCounter } {
  if (tooDeepAt(text) !== undefined) throw invalid(path, [`${path}: is nested too deeply`])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const [first] = document.errors
  if (first !== undefined) {
    const line = first.linePos?.[0].line
    const said = (first.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
    const why = first.code === 'MULTIPLE_DOCS' ? 'holds more than one document' : `is not YAML: ${said}`
    throw invalid(path, [`${path}${line === undefined ? '' : `:${line}`}: ${why}`])
  }
  return { document, lines }
}

/** Aliases that multiply, and ones that name nothing, are found only here. */
function plainValue(document: Document.Parsed, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw invalid(path, [`${path}: is not YAML: ${cause instanceof Error ? cause.message : String(cause)}`])
  }
}

function describe({ path, message, hint }: Problem, document: Document.Parsed, lines: LineCounter, file: string): string {
  const line = lineOf(path, document, lines)
  const where = path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  )
  return `${file}${line === undefined ? '' : `:${line}`}: ${where === '' ? '' : `${where}: `}${message}${hint === '' ? '' : `\n    next: ${hint}`}`
}

/** The line of the node, or of the closest one around it that is there. */
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

function invalid(path: string, problems: readonly string[]): FederationError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
  return new FederationError('federation-invalid', path, `${count}\n${problems.map((problem) => `  ${problem}`).join('\n')}`, {
    hint: 'correct the file; nothing was changed',
  })
}
