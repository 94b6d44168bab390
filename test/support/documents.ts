/** Checks in every test that runs a command that its output with `-o json` matches the schema of its kind. */
import { schema } from '../../src/core/federation/schema.ts'
import { VIEWS } from '../../src/core/view/schemas.ts'

/** `plan --expanded` prints a federation file. */
const DOCUMENTS = { ...VIEWS, Federation: schema }
const isKind = (kind: unknown): kind is keyof typeof DOCUMENTS => typeof kind === 'string' && kind in DOCUMENTS

/** @throws Error where the text is a JSON object and not what its schema says; lists of record entries have no schema */
export function mustBeDocument(text: string): string {
  if (!text.startsWith('{\n') && !text.startsWith('{"')) return text
  const value: unknown = JSON.parse(text)
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
  if (typeof value === 'object' && value !== null && '$schema' in value) return text
  if (!isKind(kind)) throw new Error(`printed JSON that says no kind: ${text.slice(0, 200)}`)
  const { success, error } = DOCUMENTS[kind].safeParse(value)
  if (!success) throw new Error(`printed JSON that is no ${kind}: ${error.message}`)
  return text
}
