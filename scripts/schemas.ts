/**
 * Makes schemas/*.json, the JSON Schemas that the package ships: of the federation file, and of what each command prints
 * with -o json. `--check` writes nothing, and exits 1 where a file is not current.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonSchemas } from '../src/core/view/json-schemas.ts'

const FOLDER = 'schemas'
const check = process.argv.includes('--check')
const wanted = new Map([...jsonSchemas()].map(([name, schema]) => [name, `${JSON.stringify(schema, null, 2)}\n`]))

function written(name: string): string | undefined {
  try {
    return readFileSync(join(FOLDER, name), 'utf8')
  } catch {
    return undefined
  }
}

mkdirSync(FOLDER, { recursive: true })
const stale = [...wanted].filter(([name, text]) => written(name) !== text).map(([name]) => name)
const foreign = readdirSync(FOLDER).filter((name) => !wanted.has(name))
if (check && stale.length + foreign.length > 0) {
  console.error(`${FOLDER}: ${[...stale, ...foreign].join(', ')}: not current; npx tsx scripts/schemas.ts makes them anew`)
  process.exitCode = 1
} else {
  for (const name of stale) writeFileSync(join(FOLDER, name), wanted.get(name) ?? '')
  for (const name of foreign) rmSync(join(FOLDER, name))
  console.log(`${FOLDER}: ${wanted.size} schemas are current`)
}
