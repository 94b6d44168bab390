/** The path and the content of each object's file. `render` and the directory backend share this, byte for byte. */
import { Document } from 'yaml'
import type { Manifest } from '../../core/model/manifest.ts'

/** `kubectl apply -f` sorts by name: restrictions get the lower numbers, so they are applied before what opens. */
const PHASES = { guard: '10-guard', open: '20-open' } as const
export const FOLDERS = Object.values(PHASES)

/** `<NN-phase>/<kind>-<namespace>-<name>.yaml`, below the member's directory. */
export function layoutPath(manifest: Manifest): string {
  const { kind, metadata } = manifest
  const phase = kind === 'EnvoyFilter' ? PHASES.open : PHASES.guard
  const parts = [kind.toLowerCase(), ...(metadata.namespace === undefined ? [] : [metadata.namespace]), metadata.name]
  return `${phase}/${parts.map(safe).join('-')}.yaml`
}

/** Names of objects are DNS names; anything else must not become a path. */
const safe = (part: string): string => (/^[a-z0-9][a-z0-9.-]*$/.test(part) ? part : encodeURIComponent(part).replaceAll('.', '%2E'))

/** Everything that YAML 1.1 accepts as the end of a line, and so of a comment. */
const LINE_END = /\r\n|[\n\r\u0085\u2028\u2029]/

/** Kubernetes reads YAML 1.1: there, unquoted `y`, `n`, `0o7` and `1_000` have another type. */
export function printManifest(manifest: Manifest, why?: string): string {
  const comment =
    why === undefined
      ? ''
      : why
          .split(LINE_END)
          .map((line) => `# ${line}`.trimEnd())
          .join('\n')
  const body = new Document(manifest, { compat: 'yaml-1.1', aliasDuplicateObjects: false }).toString({ lineWidth: 0 })
  return `${comment === '' ? '' : `${comment}\n`}${body}`
}
