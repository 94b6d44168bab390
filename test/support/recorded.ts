/**
 * Answers of a real istiod to /debug/config_dump (Istio at 86c9f01), cut down to what decides trust: the virtualInbound
 * listener, some clusters, endpoints. The one DENY policy in them is renamed to a name of ours.
 */
import { readFileSync } from 'node:fs'

export type Recorded = 'strict' | 'strict-pinned' | 'permissive' | 'client' | 'client-pinned' | 'gateway'

export const recorded = (name: Recorded): unknown => JSON.parse(readFileSync(new URL(`recorded/${name}.json`, import.meta.url), 'utf8'))
