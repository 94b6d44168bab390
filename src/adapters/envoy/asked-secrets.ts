/** Extracts a proxy's own certificate from the secrets that Envoy's admin port prints. */
import { at, list, text } from '../../core/model/manifest.ts'
import type { Leaf } from '../../core/model/observed.ts'
import { readRoots } from '../../core/trust/pinned/pinned-filter.ts'

/**
 * The query for the admin port: chains and CA certificates, by name. Envoy never prints a private key; with this mask that
 * field is not even part of the answer (source/server/admin/config_dump_handler.cc).
 */
export const SECRETS_PATH =
  '/config_dump?resource=dynamic_active_secrets&mask=name,secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca'

/** Undefined if the proxy has no certificate from Istio's agent (secret `default`; its CA is `ROOTCA`). */
export function readSecrets(dump: unknown): Omit<Leaf, 'proxy'> | undefined {
  const secrets = new Map(list(at(dump, 'configs')).map((entry) => [text(at(entry, 'name')), at(entry, 'secret')]))
  const pem = (name: string, ...path: readonly string[]): string =>
    Buffer.from(text(at(secrets.get(name), ...path, 'inline_bytes')), 'base64').toString()
  const chain = readRoots(pem('default', 'tls_certificate', 'certificate_chain')).map(({ der }) => der)
  if (chain.length === 0) return undefined
  return { chain, roots: readRoots(pem('ROOTCA', 'validation_context', 'trusted_ca')).map(({ fingerprint }) => fingerprint) }
}
