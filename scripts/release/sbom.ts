/** The bill of materials of a release, as CycloneDX. */
import { execFileSync } from 'node:child_process'
import { at, list, text } from '../../src/core/model/manifest.ts'
import type { Package } from './packages.ts'

/**
 * What `npm sbom` says about the lock file, for the packages in the bundle only. Its time is the commit's and it has no
 * serial number, so that two builds are the same.
 * @throws Error if npm does not list a package of the bundle
 */
export function sbom(name: string, packages: readonly Package[], commitTime: string): string {
  const all: unknown = JSON.parse(execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], { encoding: 'utf8' }))
  const listed = new Map(list(at(all, 'components')).map((component) => [nameOf(component), component]))
  const refs = new Map(
    packages.map((one) => {
      const component = listed.get(`${one.name}@${one.version}`)
      if (component === undefined) throw new Error(`npm sbom does not list ${one.name} ${one.version}`)
      return [text(at(component, 'bom-ref')), component] as const
    }),
  )
  const root = text(at(all, 'metadata', 'component', 'bom-ref'))
  const dependencies = list(at(all, 'dependencies'))
    .filter((one) => text(at(one, 'ref')) === root || refs.has(text(at(one, 'ref'))))
    .map((one) => ({ ref: at(one, 'ref'), dependsOn: list(at(one, 'dependsOn')).filter((ref) => refs.has(text(ref))) }))
  const { serialNumber: _, ...bom } = all as Record<string, unknown>
  // npm names the component after the folder of the checkout.
  const component = { ...(at(all, 'metadata', 'component') as object), name }
  const metadata = { ...(at(all, 'metadata') as object), timestamp: commitTime, component }
  return `${JSON.stringify({ ...bom, metadata, components: [...refs.values()], dependencies }, null, 2)}\n`
}

const nameOf = (component: unknown): string => `${text(at(component, 'name'))}@${text(at(component, 'version'))}`
