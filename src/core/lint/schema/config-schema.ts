/** Parses the field names of Istio's resources from the lines of istio-schema.ts. */
import { ISTIO_SCHEMA } from './istio-schema.ts'

export type Shape =
  | { readonly is: 'scalar' | 'anything' }
  | { readonly is: 'list' | 'map'; readonly of: Shape }
  | { readonly is: 'fields'; readonly fields: ReadonlyMap<string, Shape> }

const SCALAR: Shape = { is: 'scalar' }
const ANYTHING: Shape = { is: 'anything' }

/** `{a,b[]{c},d*,e?}` */
export function parseShape(text: string): Shape {
  let i = 0
  const shape = (): Shape => {
    if (text.startsWith('[]', i)) {
      i += 2
      return { is: 'list', of: shape() }
    }
    const c = text[i]
    if (c === '*') {
      i++
      return { is: 'map', of: shape() }
    }
    if (c === '?') {
      i++
      return ANYTHING
    }
    return c === '{' ? fields() : SCALAR
  }
  const fields = (): Shape => {
    const found = new Map<string, Shape>()
    while (text[i] !== '}' && i < text.length) {
      i++
      const start = i
      while (/\w/.test(text[i] ?? '')) i++
      const name = text.slice(start, i)
      if (name !== '') found.set(name, shape())
    }
    i++
    return { is: 'fields', fields: found }
  }
  return shape()
}

interface Kind {
  readonly group: string
  readonly kind: string
  readonly versions: readonly string[]
  readonly shape: string
}

const KINDS: readonly Kind[] = ISTIO_SCHEMA.map((line) => {
  const [group = '', kind = '', versions = '', shape = ''] = line.split(' ')
  return { group, kind, versions: versions.split(','), shape }
})

const parsed = new Map<string, Shape>()

function shapeFrom({ shape }: Kind): Shape {
  const known = parsed.get(shape) ?? parseShape(shape)
  parsed.set(shape, known)
  return known
}

/** Undefined: Istio does not serve it. */
export function shapeOf(group: string, kind: string, version: string): Shape | undefined {
  const found = KINDS.find((k) => k.group === group && k.kind === kind && k.versions.includes(version))
  return found === undefined ? undefined : shapeFrom(found)
}

/** `security.istio.io/v1`, for every version of the kind. */
export const served = (kind: string): readonly string[] =>
  KINDS.filter((k) => k.kind === kind).flatMap(({ group, versions }) => versions.map((version) => `${group}/${version}`))

export const isIstioGroup = (group: string): boolean => KINDS.some((k) => k.group === group)
