/**
 * Holds the import rules: core is pure, adapters know core, apply knows ports, the command line knows all of them.
 * Prints every breach and exits 1.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

interface Layer {
  readonly name: string
  readonly holds: RegExp
  /** Layers that it may import from, beside itself. */
  readonly from: readonly string[]
  /** Packages and Node modules that it may import; undefined: any. */
  readonly packages?: readonly string[]
}

const LAYERS: readonly Layer[] = [
  { name: 'core', holds: /^src\/core\//, from: [], packages: ['node:crypto', 'zod', 'canonicalize'] },
  { name: 'yaml', holds: /^src\/adapters\/yaml\//, from: ['core'], packages: ['yaml'] },
  { name: 'adapters', holds: /^src\/adapters\//, from: ['core', 'yaml'] },
  { name: 'apply', holds: /^src\/apply(\.ts|\/)/, from: ['core'], packages: [] },
  { name: 'demo', holds: /^src\/demo\//, from: ['core', 'yaml', 'adapters', 'apply', 'cli'] },
  { name: 'cli', holds: /^src\/cli\//, from: ['core', 'yaml', 'adapters', 'apply', 'demo'] },
  { name: 'library', holds: /^src\/index\.ts$/, from: ['core', 'yaml'], packages: [] },
]

const layerOf = (file: string): Layer | undefined => LAYERS.find(({ holds }) => holds.test(file))

/** What a file imports: statically, lazily, or as types. */
const importsOf = (text: string): readonly string[] =>
  [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)'([^']+)'/gm)].map(([, target = '']) => target)

function breach(file: string, target: string): string | undefined {
  const layer = layerOf(file)
  if (layer === undefined) return `${file} is in no layer`
  if (!target.startsWith('.')) {
    const allowed = layer.packages === undefined || layer.packages.includes(target)
    return allowed ? undefined : `${file} imports ${target}: ${layer.name} may import ${layer.packages?.join(', ') || 'no package'}`
  }
  const other = layerOf(normalize(join(dirname(file), target)))
  if (other === undefined || other === layer || layer.from.includes(other.name)) return undefined
  return `${file} imports ${target}: ${layer.name} may not import ${other.name}`
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => join('src', file))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
const breaches = files.flatMap((file) => importsOf(readFileSync(file, 'utf8')).flatMap((target) => breach(file, target) ?? []))
for (const line of breaches) console.error(line)
console.log(`import rules: ${files.length} files, ${breaches.length} ${breaches.length === 1 ? 'breach' : 'breaches'}`)
process.exitCode = breaches.length > 0 ? 1 : 0
