/**
 * Reads from each istiod what `doctor` checks: its version, its proxies, the clusters and gateways it knows, and its
 * certificate chain.
 */
import { type Subject, subjectText } from '../../core/diagnostics/subject.ts'
import type { IstiodSaid, IstiodSeen } from '../../core/doctor/seen.ts'
import type { Budget } from '../edge/budget.ts'
import type { IstiodPod } from '../kubernetes/read/pods.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { limit } from '../limit.ts'
import { seen } from '../seen.ts'
import { debug, type Survey, type Sync } from './debug.ts'
import { presentedOver, XDS_PORT } from './presented.ts'
import { istiodNames, type Roads, roads } from './road.ts'
import { tokens } from './token.ts'

const AT_ONCE = 8

/** @param roots the mesh's own, PEM; undefined: Entente connects to no istiod directly */
export async function checkIstiods(
  client: KubeClient,
  namespace: string,
  pods: readonly IstiodPod[],
  roots: string | undefined,
): Promise<readonly IstiodSeen[]> {
  const ways = roads(client, tokens(client, namespace), () => roots)
  const budget = client.budget()
  const visits = limit(AT_ONCE)
  // A terminating istiod is not asked any more: its proxies connect to another one.
  return Promise.all(pods.filter(({ leaving }) => !leaving).map((pod) => visits(() => checkIstiod(client.subject, pod, ways, budget))))
}

async function checkIstiod(subject: Subject, pod: IstiodPod, ways: Roads, budget: Budget): Promise<IstiodSeen> {
  const { name, namespace, revision, env, ready } = pod
  const said = await seen(budget.race(ways.to(pod, (road) => ask(debug(subject, road)), budget)))
  const presented = await seen(
    budget.race(
      ways.to(
        pod,
        async (road) => presentedOver(await road.dial(XDS_PORT), istiodNames(pod)[0] ?? '', `${subjectText(subject)} ${namespace}/${name}`),
        budget,
      ),
    ),
  )
  return { pod: name, revision, env, ready, said, presented }
}

async function ask(istiod: Survey): Promise<IstiodSaid> {
  const [version, syncs, clusters, gateways] = await Promise.all([istiod.version(), istiod.syncz(), istiod.clusters(), istiod.gateways()])
  const proxies = syncs
    .filter(({ type }) => type !== 'ztunnel')
    .map(({ proxy, version, errors }: Sync) => {
      const words = errors.map(({ type, message }) => `${type}: ${message}`).join('; ')
      return { proxy, version, ...(words === '' ? {} : { rejected: words }) }
    })
  // Builds outside Istio's own pipeline end in `-unknown-unknown`.
  return { version: known(version), proxies, clusters, gateways }
}

function known(version: string): string {
  const [first = '', ...rest] = version.split('-unknown')
  return rest.every((part) => part === '') ? first : version
}
