/** Proxies' own certificates, as their admin ports report them. */

import type { Leaf, Seen } from '../../core/model/observed.ts'
import { CERTS_PATH, readCerts } from '../../core/trust/mounted/loaded-certificates.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { askAll, type PodName } from './admin.ts'
import { readSecrets, SECRETS_PATH } from './asked-secrets.ts'

interface Asked extends PodName {
  /** The proxy validates with files of roots, so Entente also asks what it has loaded from them. */
  readonly files?: boolean
}

/** By proxy, `POD.NAMESPACE`: the certificate of each, or the reason why there is no answer. */
export const leaves = (client: KubeClient, pods: readonly Asked[], now?: () => number): Promise<ReadonlyMap<string, Seen<Leaf>>> =>
  askAll(
    client,
    pods,
    async ({ files }, { proxy, get, refused }) => {
      const leaf = readSecrets(await get(SECRETS_PATH))
      if (leaf === undefined) throw refused('does not report its own certificate')
      return files === true ? { proxy, ...leaf, loaded: readCerts(await get(CERTS_PATH)) } : { proxy, ...leaf }
    },
    now,
  )
