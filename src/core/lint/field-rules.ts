/** Reports unknown fields: the API server drops them, or istiod ignores them, without a message. */
import { text } from '../model/manifest.ts'
import { printable } from '../x509/syntax/printable.ts'
import { type Context, findingAt, findingIn } from './context.ts'
import { EXTRA_ROOTS, hasPeerAliases } from './inert.ts'
import type { LintFinding } from './lint-rules.ts'
import type { Resource } from './resource.ts'
import { isIstioGroup, type Shape, served, shapeOf } from './schema/config-schema.ts'
import type { MeshAsWritten } from './settings/settings.ts'
import { isMap, type Path } from './source.ts'

/** The maximum number of findings for one object. */
const MAX_FOR_EACH = 20

export const fields = ({ resources, settings }: Context): readonly LintFinding[] => [
  ...resources.flatMap(unknownFields),
  ...settings.flatMap(({ written, resource }) => (written === undefined ? [] : unknownMeshFields(written, resource))),
]

function unknownMeshFields({ view, unknown }: MeshAsWritten, resource: Resource): readonly LintFinding[] {
  // kustomize reads `$patch` and the other directives.
  const fields = unknown.filter(({ path }) => path.at(-1) !== EXTRA_ROOTS && !String(path.at(-1)).startsWith('$'))
  return fields.map(({ path, known }) =>
    findingAt(
      'unknown-mesh-field',
      view,
      path,
      resource.about,
      `${name(path)}: the mesh config of Istio 1.31 has no such field; istiod ignores it`,
      { hint: suggestion(nearest(String(path.at(-1)), known)) },
    ),
  )
}

/** API groups of former Istio versions. */
const GONE = /^(authentication|rbac|config)\.istio\.io$/

function unknownFields(resource: Resource): readonly LintFinding[] {
  const { group, kind, manifest } = resource
  if (!isIstioGroup(group) && !GONE.test(group)) return []
  const version = manifest.apiVersion.slice(group.length + 1)
  const shape = shapeOf(group, kind, version)
  if (shape === undefined) {
    const there = served(kind)
    const hint = there.length === 0 ? 'see which kinds the cluster serves: kubectl api-resources' : `write apiVersion: ${there[0]}`
    const message = `Istio 1.31 serves no ${printable(kind)} as ${printable(manifest.apiVersion)}`
    return [findingIn('unknown-kind', resource, ['apiVersion'], message, { hint })]
  }
  return unknownIn(resource.value, shape, ['apiVersion', 'kind', 'metadata'])
    .filter(({ path }) => !(hasPeerAliases(resource) && path.join('.') === 'spec.trustDomainAliases'))
    .map(({ path, near }) =>
      findingIn('unknown-field', resource, path, `${name(path)}: ${kind} of Istio 1.31 has no such field; the API server drops it`, {
        hint: suggestion(near),
      }),
    )
}

interface Unknown {
  readonly path: Path
  readonly near: string | undefined
}

function unknownIn(value: unknown, shape: Shape, others: readonly string[] = []): readonly Unknown[] {
  const found: Unknown[] = []
  // kustomize and kubectl read `$patch` and the other merge directives; the API server never receives them.
  const isDirective = (key: string): boolean => /^\$(?:patch$|retainKeys$|setElementOrder\/|deleteFromPrimitiveList\/)/.test(key)
  const go = (here: unknown, of: Shape, path: Path, more: readonly string[]): void => {
    if (found.length >= MAX_FOR_EACH) return
    if (of.is === 'list' && Array.isArray(here)) for (const [i, item] of here.entries()) go(item, of.of, [...path, i], [])
    else if (of.is === 'map' && isMap(here)) for (const [key, item] of Object.entries(here)) go(item, of.of, [...path, key], [])
    else if (of.is === 'fields' && isMap(here)) {
      for (const [key, item] of Object.entries(here)) {
        if (found.length >= MAX_FOR_EACH) return
        const next = of.fields.get(key)
        if (next !== undefined) go(item, next, [...path, key], [])
        else if (!more.includes(key) && key !== EXTRA_ROOTS && !isDirective(key))
          found.push({ path: [...path, key], near: nearest(key, [...of.fields.keys()]) })
      }
    }
  }
  go(value, shape, [], others)
  return found
}

const name = (path: Path): string =>
  path.reduce<string>(
    (all, step) => (typeof step === 'number' ? `${all}[${step}]` : all === '' ? printable(step, 60) : `${all}.${printable(step, 60)}`),
    '',
  )

const suggestion = (near: string | undefined): string => (near === undefined ? 'remove it' : `write ${near}, or remove it`)

function nearest(key: string, names: readonly string[]): string | undefined {
  if (key.length > 60) return undefined
  const plain = (word: string): string => text(word).replace(/[_-]/g, '').toLowerCase()
  const same = names.find((known) => plain(known) === plain(key))
  if (same !== undefined) return same
  return names.find((known) => distance(plain(known), plain(key)) <= (key.length > 5 ? 2 : 1))
}

/** The Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length] ?? 0
}
