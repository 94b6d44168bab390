/** Requests between pods, and handshakes with leaves of our choosing. */
import type { Identity } from './pki.ts'
import type { Pod } from './pod.ts'
import { programArgs } from './programs.ts'
import { PROXY_USER } from './proxy.ts'
import { outcome, run } from './run.ts'

export interface CallOptions {
  readonly path?: string
  /** Port of the Service. Default 80. */
  readonly port?: number
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

/** The answer of the app (programs/app.ts). */
export interface Echo {
  readonly pod: string
  readonly clientIdentity: string | null
  /** The whole header that it is from. */
  readonly forwarded: string
}

export interface CallResult {
  /** 0 when there was no HTTP answer. */
  readonly status: number
  readonly text: string
  /** Set when the app itself answered. */
  readonly body?: Echo
  /** curl's error if there was no answer. */
  readonly error?: string
}

/** One HTTP request from a pod to a service (`server.sample`, or its whole name), as a container of that pod would make it. */
export async function call(from: Pod, host: string, options: CallOptions = {}): Promise<CallResult> {
  const port = options.port ?? 80
  const headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const limits = ['-sS', '-m', String((options.timeoutMs ?? 5_000) / 1000), '-X', options.method ?? 'GET', '-w', '\n%{http_code}']
  const resolve = ['--resolve', `${host}:${port}:${await clusterIp(from, host)}`]
  const result = await from.exec('curl', [...limits, ...resolve, ...headers, `http://${host}:${port}${options.path ?? '/'}`])
  const cut = result.stdout.lastIndexOf('\n')
  const text = result.stdout.slice(0, cut)
  const body = parseEcho(text)
  const error = result.code === 0 ? undefined : result.stderr.trim() || `curl: exit ${result.code}`
  return { status: Number(result.stdout.slice(cut + 1)), text, ...(body && { body }), ...(error !== undefined && { error }) }
}

/** There is no DNS on the bed: the caller's own API server knows the address. @throws Error when it does not */
export async function clusterIp(from: Pod, host: string): Promise<string> {
  const [name = '', namespace = from.namespace] = host.split('.')
  const service = await from.home.kube.get({ apiVersion: 'v1', kind: 'Service', namespace, name })
  const ip = (service?.spec as { clusterIP?: string } | undefined)?.clusterIP
  if (ip === undefined) throw new Error(`cluster ${from.home.cluster} has no service ${namespace}/${name}`)
  return ip
}

export interface RawOptions {
  readonly alpn?: string
  readonly sni?: string
  readonly path?: string
  /** The `Host` header. */
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface RawResult {
  /** The other side let the handshake through, and answered. */
  readonly accepted: boolean
  /** HTTP status of its answer. */
  readonly status?: number
  readonly body?: Echo
  /** TLS alert number (RFC 8446 §6): 48 unknown_ca, 46 certificate_unknown, 42 bad_certificate. */
  readonly alert?: number
  readonly error?: string
  /** `subjectAltName` of the leaf that the other side showed. */
  readonly peer?: string
}

/** A mutual-TLS request with any leaf, from a pod's network but past its Envoy. */
export async function raw(from: Pod, address: string, port: number, leaf: Identity, options: RawOptions = {}): Promise<RawResult> {
  const program = programArgs('raw.ts')
  const asProxy = ['setpriv', '--regid', String(PROXY_USER), '--clear-groups']
  const input = JSON.stringify({ address, port, leaf, alpn: 'istio', ...options })
  const said = await run('ip', ['netns', 'exec', from.netns, ...asProxy, ...program.command], { input, cwd: program.cwd })
  return JSON.parse(said) as RawResult
}

/** As `raw`, in plaintext. */
export async function plain(from: Pod, address: string, port: number): Promise<CallResult> {
  const args = [
    '--regid',
    String(PROXY_USER),
    '--clear-groups',
    'curl',
    '-sS',
    '-m',
    '5',
    '-w',
    '\n%{http_code}',
    `http://${address}:${port}/`,
  ]
  const result = await outcome('ip', ['netns', 'exec', from.netns, 'setpriv', ...args])
  const [status = '0', ...lines] = result.stdout.split('\n').reverse()
  const text = lines.reverse().join('\n')
  const body = parseEcho(text)
  return { status: Number(status), text, ...(body && { body }), ...(result.code !== 0 && { error: result.stderr.trim() }) }
}

export function parseEcho(text: string): Echo | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'clientIdentity' in value ? (value as Echo) : undefined
  } catch {
    return undefined
  }
}
