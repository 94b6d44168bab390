/**
 * Checks the structure of src. Prints each breach and exits 1. The rules:
 * - which layer, and which area of core, may import which;
 * - no import cycle between files;
 * - no command imports another command;
 * - no folder has more than 15 files;
 * - a base name occurs once in core;
 * - zod is imported as a namespace: the bundle then has no more of it than is used.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'

interface Layer {
  readonly name: string
  readonly holds: RegExp
  /** Layers that it may import from, in addition to itself. */
  readonly from: readonly string[]
  /** Packages and Node modules that it may import; undefined: any. */
  readonly packages?: readonly string[]
}

const LAYERS: readonly Layer[] = [
  { name: 'core', holds: /^src\/core\//, from: [], packages: ['node:crypto', 'zod', 'canonicalize'] },
  { name: 'ports', holds: /^src\/app\/ports[^/]*\.ts$/, from: ['core'], packages: [] },
  { name: 'yaml', holds: /^src\/adapters\/yaml\//, from: ['core'], packages: ['yaml'] },
  { name: 'adapters', holds: /^src\/adapters\//, from: ['core', 'ports', 'yaml'] },
  { name: 'app', holds: /^src\/app\//, from: ['core', 'ports'], packages: [] },
  { name: 'demo', holds: /^src\/demo\//, from: ['core', 'ports', 'yaml', 'adapters', 'app'] },
  { name: 'cli', holds: /^src\/cli\//, from: ['core', 'ports', 'yaml', 'adapters', 'app', 'demo'] },
  { name: 'library', holds: /^src\/index\.ts$/, from: ['core', 'ports', 'yaml'], packages: [] },
]

/** Areas of core, each of which may import the earlier ones. */
const AREAS = [
  'basics',
  'diagnostics',
  'x509',
  'spiffe',
  'model',
  'record',
  'mesh',
  'trust',
  'federation',
  'exchange',
  'impact',
  'verify',
  'doctor',
  'lint',
  'rotation',
  'plan',
  'view',
  'evidence',
]

const MOST_FILES = 15

const layerOf = (file: string): Layer | undefined => LAYERS.find(({ holds }) => holds.test(file))
const areaOf = (file: string): number => (file.startsWith('src/core/') ? AREAS.indexOf(file.split('/')[2] ?? '') : -1)

/** A command consists of flags, a use case and printing. Code that two commands share belongs in one of these folders. */
const COMMANDS = /^src\/cli\/commands\//

/** The imports of a file: static, dynamic, or types. */
const importsOf = (text: string): readonly string[] =>
  [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)'([^'\s]+)'/gm)].map(([, target = '']) => target)

function breach(file: string, target: string): string | undefined {
  const layer = layerOf(file)
  if (layer === undefined) return `${file} belongs to no layer`
  if (!target.startsWith('.')) {
    const allowed = layer.packages === undefined || layer.packages.includes(target)
    return allowed ? undefined : `${file} imports ${target}: ${layer.name} may import ${layer.packages?.join(', ') || 'no package'}`
  }
  const path = normalize(join(dirname(file), target))
  if (areaOf(path) > areaOf(file) && areaOf(file) >= 0)
    return `${file} imports ${target}: ${AREAS[areaOf(path)]} is listed after ${AREAS[areaOf(file)]}`
  if (COMMANDS.test(file) && COMMANDS.test(path)) return `${file} imports ${target}: a command may not import another command`
  const other = layerOf(path)
  if (other === undefined || other === layer || layer.from.includes(other.name)) return undefined
  return `${file} imports ${target}: ${layer.name} may not import ${other.name}`
}

/** Tarjan's strongly connected components, those of at least two files. */
function circlesIn(graph: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const circles: string[][] = []
  const visit = (file: string): void => {
    index.set(file, index.size)
    low.set(file, index.get(file) ?? 0)
    stack.push(file)
    for (const next of graph.get(file) ?? []) {
      if (!index.has(next)) visit(next)
      if (stack.includes(next)) low.set(file, Math.min(low.get(file) ?? 0, low.get(next) ?? 0))
    }
    if (low.get(file) !== index.get(file)) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1) circles.push(circle)
  }
  for (const file of graph.keys()) if (!index.has(file)) visit(file)
  return circles
}

function groups(files: readonly string[], by: (file: string) => string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const file of files) found.set(by(file), [...(found.get(by(file)) ?? []), file])
  return found
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => join('src', file))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
const imports = new Map(files.map((file) => [file, importsOf(readFileSync(file, 'utf8'))]))
const graph = new Map(
  [...imports].map(([file, targets]) => [
    file,
    targets.filter((target) => target.startsWith('.')).map((target) => normalize(join(dirname(file), target))),
  ]),
)
/** esbuild drops from a namespace what no code uses, but not from the object `z`, which has every language of zod. */
const WHOLE_ZOD = /^import .*\{.*\bz\b.*\}.* from 'zod'/m

/** In the bundle, a CommonJS package that is imported by `import()` has no named exports. These are ES modules. */
const LAZY_PACKAGE = /\bimport\('(?!\.|node:|ws'|@kubernetes\/client-node\/)([^']+)'\)/

const breaches = [
  ...files.flatMap((file) => {
    const name = LAZY_PACKAGE.exec(readFileSync(file, 'utf8'))?.[1]
    return name === undefined ? [] : [`${file}: import ${name} statically, in a file of its own that is imported by import()`]
  }),
  ...files.filter((file) => WHOLE_ZOD.test(readFileSync(file, 'utf8'))).map((file) => `${file}: write import * as z from 'zod'`),
  ...[...imports].flatMap(([file, targets]) => targets.flatMap((target) => breach(file, target) ?? [])),
  ...files.filter((file) => file.startsWith('src/core/') && areaOf(file) < 0).map((file) => `${file} belongs to no area of core`),
  ...circlesIn(graph).map((circle) => `import cycle: ${circle.join(', ')}`),
  ...[...groups(files, dirname)]
    .filter(([, held]) => held.length > MOST_FILES)
    .map(([folder, held]) => `${folder} holds ${held.length} files: at most ${MOST_FILES}`),
  ...[
    ...groups(
      files.filter((file) => file.startsWith('src/core/')),
      basename,
    ),
  ]
    .filter(([, held]) => held.length > 1)
    .map(([name, held]) => `${name} occurs more than once in core: ${held.join(', ')}`),
]
for (const line of breaches) console.error(line)
console.log(`import rules: ${files.length} files, ${breaches.length} ${breaches.length === 1 ? 'breach' : 'breaches'}`)
process.exitCode = breaches.length > 0 ? 1 : 0
