/**
 * The filters for names on each Envoy that is supported, with a configuration of its own: the proxies of a mesh may be older
 * than the bed's. The policy in front of the application is what istiod makes of an ALLOW.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CALLERS, CLIENT_CERT, NAMES } from '../../src/core/model/filter-names.ts'
import type { Principal } from '../../src/core/spiffe/spiffe-id.ts'
import { parseTrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { guardPatches } from '../../src/core/trust/callers/name-guard.ts'
import { ensureEnvoy } from '../testbed/build.ts'
import { freePorts } from '../testbed/envoy-alone.ts'
import { handshake } from '../testbed/handshake.ts'
import { createLeaf, createMeshCa, type LeafNames, type MeshCa } from '../testbed/pki.ts'
import { until } from '../testbed/run.ts'

const [A, B] = ['cluster-a.example', 'cluster-b.example']
const CLIENT = `spiffe://${A}/ns/sample/sa/client`
const STRANGER = `spiffe://${A}/ns/x/sa/y`
const ADMIN = `spiffe://${B}/ns/sample/sa/admin`
const TYPE = 'type.googleapis.com/envoy'

type Json = Readonly<Record<string, unknown>>

interface Row {
  readonly what: string
  readonly names: LeafNames
  readonly by: 'a' | 'b'
  /** With the filters: HTTP status (0: closed), and whether TCP passes. */
  readonly http: number
  readonly tcp: boolean
  /** Without them, at the policy alone. */
  readonly alone: number
}

const ROWS: readonly Row[] = [
  { what: 'the caller, then our admin', names: { uri: [CLIENT, ADMIN] }, by: 'a', http: 0, tcp: false, alone: 200 },
  { what: 'the caller, and our admin as DNS name', names: { uri: [CLIENT], dns: [ADMIN] }, by: 'a', http: 0, tcp: false, alone: 200 },
  { what: 'the caller, and a subject', names: { uri: [CLIENT], subject: 'CN=b/ns/admin-ns/sa' }, by: 'a', http: 0, tcp: false, alone: 200 },
  { what: 'a comma in a name', names: { uri: [`${CLIENT},${ADMIN}`] }, by: 'a', http: 0, tcp: false, alone: 403 },
  { what: 'a stranger', names: { uri: [STRANGER] }, by: 'a', http: 403, tcp: false, alone: 403 },
  { what: 'the caller, whom the policy does not name', names: { uri: [CLIENT] }, by: 'a', http: 403, tcp: false, alone: 403 },
  { what: 'our admin', names: { uri: [ADMIN] }, by: 'b', http: 200, tcp: true, alone: 200 },
  { what: 'our admin with a second name', names: { uri: [ADMIN, CLIENT] }, by: 'b', http: 200, tcp: true, alone: 200 },
]

let ca: MeshCa
let cb: MeshCa
let directory: string
const app = createServer((request, response) => response.end(String(request.headers['x-forwarded-client-cert'])))
const echo = createTcpServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket))
const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port

beforeAll(async () => {
  ;[ca, cb] = await Promise.all([createMeshCa('a', 1), createMeshCa('b', 1)])
  directory = await mkdtemp(path.join(tmpdir(), 'entente-names-'))
  await Promise.all([once(app.listen(0, '127.0.0.1'), 'listening'), once(echo.listen(0, '127.0.0.1'), 'listening')])
})
afterAll(async () => {
  app.close()
  echo.close()
  await rm(directory, { recursive: true, force: true })
})

const inline = (text: string): Json => ({ inline_string: text })

async function configuration(ports: readonly number[]): Promise<Json> {
  const guard = { own: [parseTrustDomain(B)], callers: [CLIENT.replace('spiffe://', '') as Principal] }
  const patches = guardPatches(guard, { context: 'SIDECAR_INBOUND', listener: {} }) as readonly {
    applyTo: string
    patch: { value: Json }
  }[]
  const ours = (applyTo: string, name: string): Json =>
    patches.find((p) => p.applyTo === applyTo && p.patch.value.name === name)?.patch.value as Json
  const server = await createLeaf({ uri: [`spiffe://${B}/ns/sample/sa/server`] }, cb.intermediate)
  const tls = `${TYPE}.extensions.transport_sockets.tls.v3`
  const transport_socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${tls}.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: inline(server.certificate + cb.intermediate.certificate), private_key: inline(server.key) },
        ],
        validation_context: {
          custom_validator_config: {
            name: 'envoy.tls.cert_validator.spiffe',
            typed_config: {
              '@type': `${tls}.SPIFFECertValidatorConfig`,
              trust_domains: [
                { name: A, trust_bundle: inline(ca.root.certificate) },
                { name: B, trust_bundle: inline(cb.root.certificate) },
              ],
            },
          },
        },
      },
    },
  }
  const named = (value: Json): Json => ({ authenticated: { principal_name: value } })
  const allow = (layer: 'http' | 'network'): Json => ({
    name: `envoy.filters.${layer}.rbac`,
    typed_config: {
      '@type': `${TYPE}.extensions.filters.${layer}.rbac.v3.RBAC`,
      ...(layer === 'network' ? { stat_prefix: 'theirs.' } : {}),
      rules: {
        policies: {
          theirs: {
            permissions: [{ any: true }],
            principals: [named({ exact: ADMIN }), named({ safe_regex: { regex: '.*/ns/admin-ns/.*' } })],
          },
        },
      },
    },
  })
  const manager = (http: readonly Json[]): Json => ({
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'http',
      forward_client_cert_details: 'APPEND_FORWARD',
      set_current_client_cert_details: { subject: true, dns: true, uri: true },
      http_filters: [
        ...http,
        { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.extensions.filters.http.router.v3.Router` } },
      ],
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }] },
    },
  })
  const proxy = {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: { '@type': `${TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', cluster: 'echo' },
  }
  const names = ours('NETWORK_FILTER', NAMES)
  const chains = [
    [manager([allow('http')])],
    [names, manager([ours('HTTP_FILTER', CALLERS), ours('HTTP_FILTER', CLIENT_CERT), allow('http')])],
    [names, manager([ours('HTTP_FILTER', CALLERS), ours('HTTP_FILTER', CLIENT_CERT)])],
    [names, ours('NETWORK_FILTER', CALLERS), allow('network'), proxy],
  ]
  const at = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } })
  const cluster = (name: string, port: number): Json => ({
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: at(port) } }] }] },
  })
  return {
    static_resources: {
      listeners: chains.map((filters, i) => ({
        name: `l${i}`,
        address: at(ports[i] ?? 0),
        filter_chains: [{ filters, transport_socket }],
      })),
      clusters: [cluster('app', portOf(app)), cluster('echo', portOf(echo))],
    },
  }
}

describe.each(['1.36.4', '1.37.0', '1.38.3', '1.39.3', '1.40.0'])('Envoy %s', (version) => {
  let envoy: ChildProcess
  let ports: readonly number[]
  const [alone, policy, open, tcp] = [0, 1, 2, 3]

  beforeAll(async () => {
    const binary = await ensureEnvoy(version, (line) => console.error(line))
    ports = await freePorts(4)
    const file = path.join(directory, `${version}.json`)
    await writeFile(file, JSON.stringify(await configuration(ports)))
    envoy = spawn(binary, ['-c', file, '-l', 'error', '--concurrency', '1', '--use-dynamic-base-id'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const listens = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connect(ports[tcp] ?? 0, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
        socket.on('connect', () => socket.destroy())
      })
    await until('Envoy to listen', listens)
  })
  afterAll(async () => {
    envoy?.kill()
    if (envoy?.exitCode === null) await once(envoy, 'exit')
  })

  it('rejects several names that the policy alone accepts, and passes everything else', async () => {
    const outcome = async ({ names, by }: Row): Promise<Pick<Row, 'http' | 'tcp' | 'alone'>> => {
      const { intermediate } = by === 'a' ? ca : cb
      const leaf = await createLeaf(names, intermediate)
      const identity = { ...leaf, certificate: leaf.certificate + intermediate.certificate }
      const ask = (at: number) => handshake('127.0.0.1', identity, { port: ports[at] ?? 0, alpn: 'http/1.1' })
      return { http: (await ask(policy)).status ?? 0, tcp: (await ask(tcp)).accepted, alone: (await ask(alone)).status ?? 0 }
    }
    const told = await Promise.all(ROWS.map(async (row) => ({ ...row, ...(await outcome(row)) })))
    expect(told).toEqual(ROWS)
  })

  it('accepts the named caller without a policy', async () => {
    const leaf = await createLeaf({ uri: [CLIENT] }, ca.intermediate)
    const identity = { ...leaf, certificate: leaf.certificate + ca.intermediate.certificate }
    expect((await handshake('127.0.0.1', identity, { port: ports[open] ?? 0, alpn: 'http/1.1' })).status).toBe(200)
  })
})
