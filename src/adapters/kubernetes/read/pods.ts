/** Reads pods: only what identifies a workload and its location; for istiod's pods also how it runs. */
import { redirectionArgs } from '../../../core/mesh/unguarded-ports.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { at, list, strings, text } from '../../../core/model/manifest.ts'
import { POD } from '../resources.ts'
import type { KubeClient, Live } from '../transport/client.ts'

/** A thousand pods have megabytes of env, volumes and status; scopes need only these fields. */
export function bareInPod(pod: Manifest): Manifest {
  const { apiVersion, kind, metadata } = pod
  const containers = (key: string) =>
    list(at(pod, 'spec', key)).map((c) => ({
      name: text(at(c, 'name')),
      ...(at(c, 'ports') === undefined ? {} : { ports: at(c, 'ports') }),
      ...(redirectionArgs(c).length === 0 ? {} : { args: redirectionArgs(c) }),
      // Only of Istio's own container: its arguments. Those of other containers may hold anything.
      ...(at(c, 'name') === 'istio-proxy' ? { args: list(at(c, 'args')).slice(0, 2), env: settingsOf(c), volumeMounts: mountsOf(c) } : {}),
    }))
  const initContainers = containers('initContainers')
  const ready = list(at(pod, 'status', 'conditions')).find((c) => at(c, 'type') === 'Ready')
  return {
    apiVersion,
    kind,
    metadata,
    spec: {
      serviceAccountName: text(at(pod, 'spec', 'serviceAccountName')),
      ...(at(pod, 'spec', 'hostNetwork') === true ? { hostNetwork: true } : {}),
      ...(initContainers.length === 0 ? {} : { initContainers }),
      containers: containers('containers'),
    },
    status: {
      phase: text(at(pod, 'status', 'phase')),
      podIP: text(at(pod, 'status', 'podIP')),
      conditions: ready === undefined ? [] : [{ type: 'Ready', status: text(at(ready, 'status')) }],
    },
  }
}

const mountsOf = (proxy: unknown) => list(at(proxy, 'volumeMounts')).map((mount) => ({ mountPath: text(at(mount, 'mountPath')) }))

/** The lifetime of a proxy's certificates, and whether it requests the mesh's roots; nothing else of its environment. */
const ITS_SETTINGS = ['SECRET_TTL', 'PROXY_CONFIG_XDS_AGENT']
const settingsOf = (proxy: unknown) =>
  list(at(proxy, 'env')).flatMap((variable) =>
    ITS_SETTINGS.includes(text(at(variable, 'name'))) ? [{ name: text(at(variable, 'name')), value: text(at(variable, 'value')) }] : [],
  )

/** One istiod pod that runs or terminates. */
export interface IstiodPod {
  readonly namespace: string
  readonly name: string
  readonly ip: string | undefined
  /** `default`, or the value of istio.io/rev. */
  readonly revision: string
  /** Settings with a literal value; references to a Secret or ConfigMap are not followed. */
  readonly env: Readonly<Record<string, string>>
  /** It is being deleted: proxies disconnect from it. */
  readonly leaving: boolean
  /** The result of its readiness probe. */
  readonly ready: boolean
}

/** The settings that Istio documents. Others are not kept, because they may be private. */
const SETTING =
  /^(PILOT|ISTIO|ISTIOD|CITADEL|CA|ENABLE|EXTERNAL|INJECTION|VALIDATION|UNSAFE|XDS|SHARED|DEFAULT|MAX|CLUSTER|REVISION|K8S|DEBUG|TRUSTED|MULTIROOT|AMBIENT)_?[A-Z0-9_]*$/

/** Every istiod that a proxy may be connected to. @throws FederationError forbidden, … */
export async function istiodPods(client: KubeClient, namespace: string): Promise<readonly IstiodPod[]> {
  const pods = await client.list(POD, { namespace, labels: 'app=istiod' })
  return pods
    .filter(runs)
    .map(istiodOf)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** A pod that has ended or not started, or whose container is not running, has no connections. */
function runs(pod: Live): boolean {
  if (text(at(pod, 'status', 'phase')) !== 'Running') return false
  const states = list(at(pod, 'status', 'containerStatuses')).filter((c) => at(c, 'name') === DISCOVERY)
  return states.length === 0 || states.some((c) => at(c, 'state', 'running') !== undefined)
}

const DISCOVERY = 'discovery'

function istiodOf(pod: Live): IstiodPod {
  const containers = list(at(pod, 'spec', 'containers'))
  const container = containers.find((c) => at(c, 'name') === DISCOVERY) ?? containers[0]
  const settings = list(at(container, 'env')).map((e): readonly [string, string] => [text(at(e, 'name')), text(at(e, 'value'))])
  return {
    namespace: pod.metadata.namespace ?? '',
    name: pod.metadata.name,
    ip: text(at(pod, 'status', 'podIP')) || undefined,
    revision: strings(pod.metadata.labels)['istio.io/rev'] ?? 'default',
    env: Object.fromEntries(settings.filter(([name, value]) => SETTING.test(name) && value !== '')),
    leaving: pod.metadata.deletionTimestamp !== undefined,
    ready: list(at(pod, 'status', 'conditions')).some((c) => at(c, 'type') === 'Ready' && at(c, 'status') === 'True'),
  }
}
