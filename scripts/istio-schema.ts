/**
 * Makes src/core/lint/schema/istio-schema.ts, the field names of Istio's resources and of its mesh config, from the module
 * istio.io/api that the test bed builds with.
 *
 *     npx tsx scripts/istio-schema.ts            # writes it; wants Go
 *     npx tsx scripts/istio-schema.ts --check    # part of `npm run check`
 *
 * The check needs neither Go nor network: the file must be of the version that the bed's go.mod names, and its contents
 * those that its digest was made of. Where the module is in Go's cache, it is made again and compared.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

const TARGET = 'src/core/lint/schema/istio-schema.ts'
const BED = 'test/testbed/istio'
const MODULE = 'istio.io/api'
const CRDS = 'kubernetes/customresourcedefinitions.gen.yaml'
const MESH = ['config', 'proxy', 'network'].map((name) => `mesh/v1alpha1/${name}.pb.go`)

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
}

interface Crd {
  readonly spec: {
    readonly group: string
    readonly names: { readonly kind: string }
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[]
  }
}

/** `{a,b[]{c},d*,e?}`: fields of a mapping; `[]` a list, `*` a mapping with arbitrary keys, `?` anything. */
function shape(schema: Schema): string {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return '?'
  if (schema.items !== undefined) return `[]${shape(schema.items)}`
  if (schema.properties !== undefined) return mapping(Object.entries(schema.properties).map(([name, field]) => [name, shape(field)]))
  if (typeof schema.additionalProperties === 'object') return `*${shape(schema.additionalProperties)}`
  return schema.type === 'object' ? '?' : ''
}

const mapping = (fields: readonly (readonly [string, string])[]): string =>
  `{${[...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((field) => field.join(''))
    .join(',')}}`

function kindsIn(yaml: string): readonly string[] {
  const crds = parseAllDocuments(yaml).flatMap((document) => (document.toJS() as Crd | null) ?? [])
  return crds.flatMap(({ spec }) => {
    const versions = new Map<string, string[]>()
    for (const { name, schema } of spec.versions) {
      const { spec: body, status } = schema.openAPIV3Schema.properties ?? {}
      const fields = mapping([
        ['spec', body === undefined ? '?' : shape(body)],
        ['status', status === undefined ? '?' : shape(status)],
      ])
      versions.set(fields, [...(versions.get(fields) ?? []), name])
    }
    return [...versions].map(([fields, names]) => `${spec.group} ${spec.names.kind} ${names.join(',')} ${fields}`)
  })
}

/** The messages of protoc's Go code, by their JSON names. */
function meshConfig(go: string): string {
  const structs = new Map([...go.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => [name, body]))
  const members = (oneof: string): readonly string[] =>
    [...go.matchAll(new RegExp(`^func \\(\\*(\\w+)\\) ${oneof}\\(\\)`, 'gm'))].map(([, name = '']) => name)
  const fieldsOf = (message: string, above: readonly string[]): readonly (readonly [string, string])[] =>
    [...(structs.get(message) ?? '').matchAll(/^\t\w+\s+(\S+)\s+`protobuf(_oneof)?:"([^"]*)"/gm)].flatMap(
      ([, type = '', oneof, tag = '']) =>
        oneof === undefined
          ? [[/json=(\w+)/.exec(tag)?.[1] ?? /name=(\w+)/.exec(tag)?.[1] ?? '', typeShape(type, above)] as const]
          : members(type).flatMap((member) => fieldsOf(member, above)),
    )
  const typeShape = (type: string, above: readonly string[]): string => {
    if (type.startsWith('[]') && type !== '[]byte') return `[]${typeShape(type.slice(2), above)}`
    if (type.startsWith('map[')) return `*${typeShape(type.slice(type.indexOf(']') + 1), above)}`
    const message = type.replace(/^\*/, '')
    if (message.includes('.')) return /\.(Bool|String|U?Int(32|64)|Double|Float)Value$|\.Duration$/.test(message) ? '' : '?'
    if (!structs.has(message)) return ''
    return above.includes(message) ? '?' : mapping(fieldsOf(message, [...above, message]))
  }
  return mapping(fieldsOf('MeshConfig', ['MeshConfig']))
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function generate(directory: string, version: string): string {
  const sources = [CRDS, ...MESH].map((file) => readFileSync(join(directory, file), 'utf8'))
  const [crds = '', ...go] = sources
  return print(version, sha256(sources.join('')), [...kindsIn(crds), `mesh MeshConfig - ${meshConfig(go.join('\n'))}`])
}

function print(version: string, source: string, lines: readonly string[]): string {
  const body = [...lines].sort().map((line) => `  ${JSON.stringify(line).replace(/^"|"$/g, "'")},\n`)
  return `// Made by scripts/istio-schema.ts: do not edit.
// ${MODULE} ${version}, sources sha256 ${source}
// lines sha256 ${sha256(body.join(''))}
/** GROUP KIND VERSIONS FIELDS; in FIELDS \`[]\` is a list, \`*\` a mapping with keys of one's own, \`?\` anything. */
export const ISTIO_SCHEMA: readonly string[] = [
${body.join('')}]
`
}

const wantedVersion = (): string => new RegExp(`${MODULE} (v\\S+)`).exec(readFileSync(join(BED, 'go.mod'), 'utf8'))?.[1] ?? ''

/** The directory of the module; undefined without Go, or if it is not in the cache and must not be fetched. */
function moduleDirectory(fetch: boolean): string | undefined {
  try {
    const env = fetch ? process.env : { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off' }
    if (fetch) execFileSync('go', ['mod', 'download', MODULE], { cwd: BED, timeout: 300_000 })
    const found = execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', MODULE], {
      cwd: BED,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: 60_000,
    })
    return existsSync(join(found.trim(), CRDS)) ? found.trim() : undefined
  } catch {
    return undefined
  }
}

function check(): string | undefined {
  const text = readFileSync(TARGET, 'utf8')
  const [, version, lines] = /^\/\/ istio\.io\/api (\S+), .*\n\/\/ lines sha256 (\w+)$/m.exec(text) ?? []
  if (version !== wantedVersion()) return `is of ${MODULE} ${version}, and ${BED}/go.mod names ${wantedVersion()}`
  const body = text.slice(text.indexOf('= [\n') + 4, text.lastIndexOf(']\n'))
  if (sha256(body) !== lines) return 'was edited: the digest of its lines differs from the one in it'
  const directory = moduleDirectory(false)
  if (directory !== undefined && generate(directory, version ?? '') !== text) return 'differs from what the module yields'
  return undefined
}

if (process.argv.includes('--check')) {
  const wrong = check()
  console.log(wrong === undefined ? `${TARGET} is up to date` : `${TARGET} ${wrong}: run npx tsx scripts/istio-schema.ts`)
  process.exitCode = wrong === undefined ? 0 : 1
} else {
  const directory = moduleDirectory(true)
  if (directory === undefined) throw new Error(`go cannot download ${MODULE}`)
  writeFileSync(TARGET, generate(directory, wantedVersion()))
}
