/**
 * Answers of a real istiod to /debug/config_dump (Istio at 86c9f01), cut down to what decides trust: the virtualInbound
 * listener, some clusters, endpoints. The one DENY policy in them has one of Entente's names.
 */
import { readFileSync } from 'node:fs'
import type { NameGuard } from '../../src/core/model/observed.ts'
import { guardPatches } from '../../src/core/trust/callers/name-guard.ts'

export type Recorded = 'strict' | 'strict-pinned' | 'permissive' | 'client' | 'client-pinned' | 'gateway'

export const recorded = (name: Recorded): unknown => JSON.parse(readFileSync(new URL(`recorded/${name}.json`, import.meta.url), 'utf8'))

/** JSON as istiod prints protobuf: camel case. */
export const camelCase = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(camelCase)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value).map(([key, part]) => [key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), camelCase(part)]),
        )
      : value

/** The answer, recorded before filters checked names, with what istiod puts into each chain since. */
export function guarded(dump: string, guard: NameGuard): string {
  const patches = guardPatches(guard, { context: 'SIDECAR_INBOUND', listener: {} }) as readonly {
    readonly applyTo: string
    readonly patch: { readonly value: unknown }
  }[]
  const ours = (applyTo: string): readonly unknown[] => patches.flatMap((p) => (p.applyTo === applyTo ? [camelCase(p.patch.value)] : []))
  const into: Readonly<Record<string, readonly unknown[]>> = { filters: ours('NETWORK_FILTER'), httpFilters: ours('HTTP_FILTER') }
  return JSON.stringify(
    JSON.parse(dump, (key, value: unknown) => (into[key] !== undefined && Array.isArray(value) ? [...into[key], ...value] : value)),
  )
}
