/** JSON Schemas (draft 2020-12) of the commands' output, and of the files that owners write. */
import * as z from 'zod'
import { schema as federation, includedSchema } from '../federation/schema.ts'
import { VIEWS } from './schemas.ts'

type JsonSchema = Readonly<Record<string, unknown>>

/** Of the federation file, and of the files that it includes, by file name. They reject unknown fields. */
export const writtenSchemas = (): ReadonlyMap<string, JsonSchema> =>
  new Map([
    ['federation.json', titled('Federation', z.toJSONSchema(federation, { io: 'input' }))],
    ['calls.json', titled('Calls', z.toJSONSchema(includedSchema, { io: 'input' }))],
  ])

/** By file name. Views accept unknown members, which later versions may add. */
export const jsonSchemas = (): ReadonlyMap<string, JsonSchema> =>
  new Map<string, JsonSchema>([
    ...writtenSchemas(),
    ...Object.entries(VIEWS).map(([kind, view]): [string, JsonSchema] => [
      `${fileOf(kind)}.json`,
      titled(
        kind,
        z.toJSONSchema(view, {
          override: ({ jsonSchema }) => {
            if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
            delete jsonSchema.readOnly
          },
        }),
      ),
    ]),
  ])

/** `RecordCheck`: record-check */
const fileOf = (kind: string): string => kind.replace(/(?<=[a-z])[A-Z]/g, (capital) => `-${capital}`).toLowerCase()

const titled = (title: string, { $schema, ...schema }: JsonSchema): JsonSchema => ({ $schema, title, ...schema })
