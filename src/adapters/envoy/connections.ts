/** Proxies' open connections, as their admin ports report them. */
import { COUNTS_PATH, INFO_PATH, readConnections } from '../../core/mesh/envoy/open-connections.ts'
import type { Connections, Seen } from '../../core/model/observed.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { askAll, type PodName } from './admin.ts'

/** By proxy, `POD.NAMESPACE`: the connections of each, or the reason why there is no answer. */
export const connections = (client: KubeClient, pods: readonly PodName[]): Promise<ReadonlyMap<string, Seen<Connections>>> =>
  askAll(client, pods, async (_, { proxy, get, refused }) => {
    const told = readConnections(await get(INFO_PATH), await get(COUNTS_PATH))
    if (told === undefined) throw refused('does not report how many connections it has')
    return { proxy, ...told }
  })
