/** Names of the Envoy filters and filter chains that Entente's EnvoyFilters insert. */
export const NAMES = 'entente.names'
export const CALLERS = 'entente.callers'
export const CLIENT_CERT = 'entente.client-cert'
/** The name that pass-through chains of a PERMISSIVE listener get: there is no certificate, so no name to check. */
export const PASSTHROUGH = 'entente-passthrough'
