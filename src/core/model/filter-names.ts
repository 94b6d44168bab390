/** Names of the Envoy filters and filter chains that Entente's EnvoyFilters insert. */
export const NAMES = 'entente.names'
export const CALLERS = 'entente.callers'
export const CLIENT_CERT = 'entente.client-cert'
/**
 * The name of pass-through chains of a PERMISSIVE listener. Their connections have no certificate, so Envoy checks no
 * name.
 */
export const PASSTHROUGH = 'entente-passthrough'
