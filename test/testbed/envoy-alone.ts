/**
 * An Envoy without a mesh: one listener for each way to verify clients. It answers 200 to a client that it accepts.
 * Envoy verifies certificates with BoringSSL.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { type HandshakeOptions, handshake } from './handshake.ts'
import { createLeaf, type Identity } from './pki.ts'
import { until } from './run.ts'

export type Json = Readonly<Record<string, unknown>>

const TYPE = 'type.googleapis.com/envoy.extensions'
const TLS = `${TYPE}.transport_sockets.tls.v3`
const HTTP = `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`
const ROUTER = `${TYPE}.filters.http.router.v3.Router`

export const inline = (text: string): Json => ({ inline_string: text })

/** A validation context of Envoy's SPIFFE validator: what `pinned` writes, or reads from a file as `mounted` does. */
export const spiffe = (config: Json): Json => ({
  custom_validator_config: {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: { '@type': `${TLS}.SPIFFECertValidatorConfig`, ...config },
  },
})

/** One list for each trust domain. */
export const pinnedRoots = (roots: Readonly<Record<string, string>>): Json =>
  spiffe({ trust_domains: Object.entries(roots).map(([name, pem]) => ({ name, trust_bundle: inline(pem) })) })

/** One list for all, as Istio's own configuration has it. */
export const flatRoots = (pem: string): Json => ({ trusted_ca: inline(pem) })

/** Ports that are free now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })

/** @param does its handling of every request */
const manager = (does: Json): Json => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': HTTP,
    stat_prefix: 'http',
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...does }] }] },
  },
})

const listenerOf = (name: string, port: number, validation: Json, server: Identity): Json => ({
  name,
  address: at(port),
  filter_chains: [
    {
      filters: [manager({ direct_response: { status: 200 } })],
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': `${TLS}.DownstreamTlsContext`,
          require_client_certificate: true,
          common_tls_context: {
            tls_certificates: [{ certificate_chain: inline(server.certificate), private_key: inline(server.key) }],
            validation_context: validation,
          },
        },
      },
    },
  ],
})

const at = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } })

/** The configuration of listeners, in a file of its own. */
async function written<Name extends string>(
  validations: Readonly<Record<Name, Json>>,
): Promise<{
  readonly directory: string
  readonly file: string
  readonly ports: ReadonlyMap<Name, number>
}> {
  const directory = await mkdtemp(path.join(tmpdir(), 'entente-envoy-'))
  const server = await createLeaf({ dns: ['server.example'] }, undefined)
  const names = Object.keys(validations) as Name[]
  const free = await freePorts(names.length)
  const ports = new Map(names.map((name, i) => [name, free[i] ?? 0]))
  const listeners = [...ports].map(([name, port]) => listenerOf(name, port, validations[name], server))
  const file = path.join(directory, 'envoy.json')
  await writeFile(file, JSON.stringify({ static_resources: { listeners } }))
  return { directory, file, ports }
}

/** Envoy's error if it rejects a validation context; undefined if it accepts it. */
export async function refusal(binary: string, validation: Json): Promise<string | undefined> {
  const { directory, file } = await written({ only: validation })
  try {
    return await configRefusal(binary, file)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Envoy's error if it rejects a configuration file; undefined if it accepts it. */
export async function configRefusal(binary: string, file: string): Promise<string | undefined> {
  try {
    await promisify(execFile)(binary, ['--mode', 'validate', '-l', 'error', '-c', file])
    return undefined
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string }
    if (stderr === '') throw cause
    return stderr
  }
}

export class EnvoyAlone<Name extends string> {
  readonly #process: ChildProcess
  readonly #directory: string
  readonly #ports: ReadonlyMap<Name, number>

  private constructor(process: ChildProcess, directory: string, ports: ReadonlyMap<Name, number>) {
    this.#process = process
    this.#directory = directory
    this.#ports = ports
  }

  /** @param validations the validation context of each listener, by its name */
  static async start<Name extends string>(binary: string, validations: Readonly<Record<Name, Json>>): Promise<EnvoyAlone<Name>> {
    const { directory, file, ports } = await written(validations)
    const args = ['-c', file, '-l', 'error', '--concurrency', '1', '--use-dynamic-base-id']
    const running = new EnvoyAlone(spawn(binary, args, { stdio: ['ignore', 'ignore', 'inherit'] }), directory, ports)
    try {
      await until('Envoy to listen', () => listens([...ports.values()].at(-1) ?? 0))
    } catch (thrown) {
      await running.stop()
      throw thrown
    }
    return running
  }

  /** True if this listener accepts a client with this certificate. */
  async accepts(listener: Name, identity: Identity, options: HandshakeOptions = {}): Promise<boolean> {
    const port = this.#ports.get(listener) ?? 0
    return (await handshake('127.0.0.1', identity, { ...options, port, alpn: 'http/1.1' })).status === 200
  }

  async stop(): Promise<void> {
    this.#process.kill()
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit')
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** True if Envoy as a client accepts a server with this certificate. */
export async function takesServer(binary: string, validation: Json, { certificate, key }: Identity): Promise<boolean> {
  const server = createHttps({ cert: certificate, key }, (_, response) => response.end('ok'))
  server.on('tlsClientError', () => {})
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const directory = await mkdtemp(path.join(tmpdir(), 'entente-envoy-'))
  const [port = 0] = await freePorts(1)
  const file = path.join(directory, 'envoy.json')
  const target = { endpoint: { address: at((server.address() as AddressInfo).port) } }
  const cluster = {
    name: 'server',
    type: 'STATIC',
    load_assignment: { cluster_name: 'server', endpoints: [{ lb_endpoints: [target] }] },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': `${TLS}.UpstreamTlsContext`, common_tls_context: { validation_context: validation } },
    },
  }
  const listener = { name: 'plain', address: at(port), filter_chains: [{ filters: [manager({ route: { cluster: 'server' } })] }] }
  await writeFile(file, JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }))
  const envoy = spawn(binary, ['-c', file, '-l', 'error', '--concurrency', '1', '--use-dynamic-base-id'], { stdio: 'ignore' })
  try {
    await until('Envoy to listen', () => listens(port))
    const { status } = await fetch(`http://127.0.0.1:${port}/`)
    if (status !== 200 && status !== 503) throw new Error(`Envoy answers ${status}`)
    return status === 200
  } finally {
    envoy.kill()
    if (envoy.exitCode === null && envoy.signalCode === null) await once(envoy, 'exit')
    server.close()
    server.closeAllConnections()
    await rm(directory, { recursive: true, force: true })
  }
}
