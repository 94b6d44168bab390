/** A server of a gateway: naming, and sets of them. */
import type { Server } from '../model/wanted.ts'

/** As people read it: `port 8443 for api.example`. */
export const describeServer = ({ port, host }: Server): string => `port ${port} for ${host ?? 'every host'}`

const keyOf = ({ port, host }: Server): string => `${String(port).padStart(5, '0')} ${host ?? ''}`

export const sameServer = (b: Server, a: Server): boolean => keyOf(b) === keyOf(a)

/** The servers of either, in order. */
export const unionServers = (b: readonly Server[], a: readonly Server[]): readonly Server[] =>
  [...new Map([...b, ...a].map((server) => [keyOf(server), server]))].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, server]) => server)
