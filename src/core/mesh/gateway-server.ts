/** Names and compares servers of a gateway. */
import type { Server } from '../model/wanted.ts'

/** For messages: `port 8443 for api.example`. */
export const describeServer = ({ port, host }: Server): string => `port ${port} for ${host ?? 'every host'}`

const keyOf = ({ port, host }: Server): string => `${String(port).padStart(5, '0')} ${host ?? ''}`

export const sameServer = (b: Server, a: Server): boolean => keyOf(b) === keyOf(a)

/** Sorted union of both lists. */
export const unionServers = (b: readonly Server[], a: readonly Server[]): readonly Server[] =>
  [...new Map([...b, ...a].map((server) => [keyOf(server), server]))].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, server]) => server)
