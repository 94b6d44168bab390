/**
 * Benchmarks, one after the other.
 *
 *     npm run bench                                       those that need Node only
 *     npm run bench -- --bed                              as root: also those on the test bed
 *     npm run bench -- plan verify                        these
 *     npm run bench -- plan --against REV [--rounds 5]    this tree and a commit in turns, and the ratio of their times
 */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { against } from './against.ts'

const NODE_ONLY = ['help', 'plan', 'verify', 'record', 'evidence', 'bundles', 'follow', 'impact', 'hostile']
const ON_BED = ['apply', 'accepted', 'namespaces', 'emergency', 'mounted', 'rotate']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bed: { type: 'boolean' }, against: { type: 'string' }, rounds: { type: 'string', default: '3' } },
})
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number of at least 1')
const names = positionals.length > 0 ? positionals : [...NODE_ONLY, ...(values.bed ? ON_BED : []), 'lint']
for (const name of names) if (!existsSync(new URL(`${name}.ts`, import.meta.url))) throw new Error(`no bench/${name}.ts`)

if (values.against !== undefined) against(names, values.against, rounds)
else for (const name of names) await import(`./${name}.ts`)
