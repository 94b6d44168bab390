/**
 * Makes two files from the module istio.io/api that the test bed builds with: src/core/lint/schema/istio-schema.ts, the
 * field names of Istio's resources, and src/core/mesh/config/mesh-schema.ts, the fields of its mesh config with their types.
 *
 *     npx tsx scripts/istio-schema.ts            # writes it; wants Go
 *     npx tsx scripts/istio-schema.ts --check    # part of `npm run check`
 *
 * The check needs neither Go nor network: each file must be of the version that the bed's go.mod names, and its contents
 * those that its digest was made of. Where the module is in Go's cache, it is made again and compared.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

const RESOURCES = 'src/core/lint/schema/istio-schema.ts'
const MESH = 'src/core/mesh/config/mesh-schema.ts'
const TARGETS = [RESOURCES, MESH] as const
type Target = (typeof TARGETS)[number]
const BED = 'test/testbed/istio'
const MODULE = 'istio.io/api'
const CRDS = 'kubernetes/customresourcedefinitions.gen.yaml'
/** Directories of Go packages, by the name under which mesh/v1alpha1 imports them. */
const PACKAGES: Readonly<Record<string, string>> = {
  mesh: 'mesh/v1alpha1',
  v1alpha3: 'networking/v1alpha3',
  v1beta1: 'networking/v1beta1',
}

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

/** protoc's Go code of one package. */
interface GoPackage {
  readonly structs: ReadonlyMap<string, string>
  readonly enums: ReadonlyMap<string, readonly string[]>
  readonly code: string
}

function goPackage(code: string): GoPackage {
  const structs = [...code.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => [name, body] as const)
  const enums = [...code.matchAll(/^\t(\w+)_name = map\[int32\]string\{\n([\s\S]*?)^\t\}/gm)].map(
    ([, name = '', body = '']) => [name, [...body.matchAll(/"(\w+)"/g)].map(([, value = '']) => value)] as const,
  )
  return { structs: new Map(structs), enums: new Map(enums), code }
}

/** Of Go's types, and of the messages that protobuf's JSON writes as plain values. */
const SCALARS: Readonly<Record<string, string>> = {
  bool: 'b',
  string: 's',
  '[]byte': 's',
  int32: 'i',
  uint32: 'u',
  int64: 'I',
  uint64: 'U',
  float32: 'f',
  float64: 'f',
  '*duration.Duration': 'd',
  '*_struct.Struct': '?',
  '*wrappers.BoolValue': 'b',
  '*wrappers.StringValue': 's',
  '*wrappers.Int32Value': 'i',
  '*wrappers.UInt32Value': 'u',
  '*wrappers.Int64Value': 'I',
  '*wrappers.UInt64Value': 'U',
  '*wrappers.DoubleValue': 'f',
  '*wrappers.FloatValue': 'f',
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** MeshConfig and every message that it holds: `NAME field=TYPE …`. */
function messages(packages: ReadonlyMap<string, GoPackage>): readonly string[] {
  const lines = new Map<string, string>()
  const homes = new Map<string, string>()
  const wanted = [{ home: 'mesh', name: 'MeshConfig' }]
  const typeOf = (type: string, home: string): string => {
    const scalar = SCALARS[type]
    if (scalar !== undefined) return scalar
    if (type.startsWith('[]')) return `[]${typeOf(type.slice(2), home)}`
    if (type.startsWith('map[')) return `*${typeOf(type.slice(type.indexOf(']') + 1), home)}`
    const [, elsewhere, name = ''] = /^\*?(?:(\w+)\.)?(\w+)$/.exec(type) ?? []
    const there = elsewhere ?? home
    const values = packages.get(there)?.enums.get(name)
    if (values !== undefined) return `(${values.join('|')})`
    if (packages.get(there)?.structs.has(name) !== true) throw new Error(`${type} in ${home}: no such message`)
    wanted.push({ home: there, name })
    return `@${name}`
  }
  /** Of a oneof, in the order of the .proto file: of several that are set, Go keeps the last. */
  const placed = (oneof: string, fields: readonly string[]): readonly string[] =>
    fields.length < 2 ? fields : fields.map((field, i) => `${field}~${oneof.slice(oneof.lastIndexOf('_') + 1)}${i}`)
  const fieldsOf = (home: string, message: string): readonly string[] => {
    const { structs, code } = packages.get(home) as GoPackage
    const members = (oneof: string): readonly string[] =>
      [...code.matchAll(new RegExp(`^func \\(\\*(\\w+)\\) ${oneof}\\(\\)`, 'gm'))].map(([, name = '']) => name)
    return [...(structs.get(message) ?? '').matchAll(/^\t\w+\s+(\S+)\s+`protobuf(_oneof)?:"([^"]*)"/gm)].flatMap(
      ([, type = '', oneof, tag = '']) => {
        if (oneof !== undefined)
          return placed(
            type,
            members(type).flatMap((member) => fieldsOf(home, member)),
          )
        const proto = /name=(\w+)/.exec(tag)?.[1] ?? ''
        const json = /json=(\w+)/.exec(tag)?.[1] ?? proto
        return [`${json}${proto === snake(json) ? '' : `/${proto}`}=${typeOf(type, home)}`]
      },
    )
  }
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const { home, name } = next
    if ((homes.get(name) ?? home) !== home) throw new Error(`${name} is a message of ${home} and of ${homes.get(name)}`)
    homes.set(name, home)
    if (!lines.has(name)) lines.set(name, [name, ...[...fieldsOf(home, name)].sort()].join(' '))
  }
  return [...lines.values()]
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function generate(directory: string, version: string): Readonly<Record<Target, string>> {
  const crds = readFileSync(join(directory, CRDS), 'utf8')
  const packages = Object.entries(PACKAGES).map(([name, path]) => {
    const files = readdirSync(join(directory, path)).filter((file) => file.endsWith('.pb.go'))
    return [name, files.map((file) => readFileSync(join(directory, path, file), 'utf8')).join('\n')] as const
  })
  const code = packages.map(([, text]) => text).join('\n')
  return {
    [RESOURCES]: print(version, sha256(crds), kindsIn(crds), [
      "/** GROUP KIND VERSIONS FIELDS; in FIELDS `[]` is a list, `*` a mapping with keys of one's own, `?` anything. */",
      'export const ISTIO_SCHEMA: readonly string[] = [',
    ]),
    [MESH]: print(version, sha256(code), messages(new Map(packages.map(([name, text]) => [name, goPackage(text)]))), [
      '/**',
      ' * MESSAGE FIELD=TYPE …, FIELD by its JSON name, with its name in the .proto file behind a slash where that does not follow.',
      ' * TYPE: `b` boolean, `s` text, `i` `u` `I` `U` integers of 32 and 64 bits, `f` number, `d` duration, `(A|B)` enum,',
      " * `@M` message, `[]` list, `*` mapping with keys of one's own, `?` a mapping of anything.",
      ' * `~NAME2` behind the type: place 2 of the oneof NAME.',
      ' */',
      'export const MESH_SCHEMA: readonly string[] = [',
    ]),
  }
}

function print(version: string, source: string, lines: readonly string[], head: readonly string[]): string {
  const body = [...lines].sort().map((line) => `  ${JSON.stringify(line).replace(/^"|"$/g, "'")},\n`)
  return `// Made by scripts/istio-schema.ts: do not edit.
// ${MODULE} ${version}, sources sha256 ${source}
// lines sha256 ${sha256(body.join(''))}
${head.join('\n')}
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

function check(): readonly string[] {
  const directory = moduleDirectory(false)
  const made = directory === undefined ? undefined : generate(directory, wantedVersion())
  return TARGETS.flatMap((target) => {
    const text = readFileSync(target, 'utf8')
    const [, version, lines] = /^\/\/ istio\.io\/api (\S+), .*\n\/\/ lines sha256 (\w+)$/m.exec(text) ?? []
    if (version !== wantedVersion()) return [`${target} is of ${MODULE} ${version}, and ${BED}/go.mod names ${wantedVersion()}`]
    const body = text.slice(text.indexOf('= [\n') + 4, text.lastIndexOf(']\n'))
    if (sha256(body) !== lines) return [`${target} was edited: the digest of its lines differs from the one in it`]
    return made !== undefined && made[target] !== text ? [`${target} differs from what the module yields`] : []
  })
}

if (process.argv.includes('--check')) {
  const wrong = check()
  for (const one of wrong) console.log(`${one}: run npx tsx scripts/istio-schema.ts`)
  if (wrong.length === 0) console.log(`${TARGETS.join(' and ')} are up to date`)
  process.exitCode = wrong.length === 0 ? 0 : 1
} else {
  const directory = moduleDirectory(true)
  if (directory === undefined) throw new Error(`go cannot download ${MODULE}`)
  for (const [target, text] of Object.entries(generate(directory, wantedVersion()))) writeFileSync(target, text)
}
