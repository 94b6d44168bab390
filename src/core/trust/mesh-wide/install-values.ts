/**
 * Prints the settings that the owner of a mesh config must set for `mesh`. Entente does not write objects owned by Helm
 * or an operator.
 */
import { SHARED_MESH_CONFIG } from './mesh-roots.ts'

export type ValuesFormat = 'helm' | 'sail'

const VALUES = [
  'pilot:',
  '  env:',
  '    ISTIO_MULTIROOT_MESH: "true"        # istiod hands out roots besides its own',
  `    SHARED_MESH_CONFIG: ${SHARED_MESH_CONFIG}   # the ConfigMap that entente writes; no file of yours changes with a root`,
  'meshConfig:',
  '  defaultConfig:',
  '    proxyMetadata:',
  '      PROXY_CONFIG_XDS_AGENT: "true"    # proxies ask for them; a pod takes this with its next restart',
]

/**
 * Returns YAML: Helm values of the istiod chart, or a patch of the Sail operator's Istio resource. It is the same for
 * every member.
 */
export function valuesFor(format: ValuesFormat): string {
  const lines = format === 'helm' ? VALUES : ['spec:', '  values:', ...VALUES.map((line) => `    ${line}`)]
  return lines.join('\n')
}
