/** A thin client of one API server: objects in, objects out, over one kept connection pool. The product has its own; this one shares nothing with it. */
import { Agent, request } from 'node:https'
import { until } from './run.ts'

export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** Names one object, or with `name` left out all of a namespace (or of the cluster). */
export interface Reference {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string
  readonly name?: string
}

export interface Credentials {
  readonly server: string
  readonly ca: string
  readonly token: string
}

interface Resource {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}

export class KubeError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const PATCH_TYPES = {
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
} as const

const MAX_BODY_BYTES = 64 * 1024 * 1024
const TIMEOUT_MS = 20_000

export class Kube {
  readonly #credentials: Credentials
  readonly #agent: Agent
  readonly #resources = new Map<string, readonly Resource[]>()

  constructor(credentials: Credentials) {
    this.#credentials = credentials
    this.#agent = new Agent({ keepAlive: true, ca: credentials.ca })
  }

  /** Server-side apply, as field manager `testbed`, conflicts overruled; one after the other in the given order. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const path = `${await this.#path(referenceTo(object))}?fieldManager=testbed&force=true`
      await this.request('PATCH', path, object, PATCH_TYPES.apply)
    }
  }

  async create(object: KubeObject): Promise<void> {
    const { apiVersion, kind, metadata } = object
    await this.request('POST', await this.#path({ apiVersion, kind, ...(metadata.namespace && { namespace: metadata.namespace }) }), object)
  }

  /** @returns undefined when there is no such object */
  async get(reference: Reference): Promise<KubeObject | undefined> {
    const found = await this.request('GET', await this.#path(reference)).catch(ignoreMissing)
    return found as KubeObject | undefined
  }

  async list(reference: Reference): Promise<KubeObject[]> {
    const found = (await this.request('GET', await this.#path(reference))) as { items?: KubeObject[] }
    return (found.items ?? []).map((item) => ({ ...item, apiVersion: reference.apiVersion, kind: reference.kind }))
  }

  /** A JSON merge patch, or a list of JSON patch operations. @param subresource such as `status` */
  async patch(reference: Reference, change: object, subresource?: string): Promise<void> {
    const path = await this.#path(reference)
    await this.request(
      'PATCH',
      subresource ? `${path}/${subresource}` : path,
      change,
      Array.isArray(change) ? PATCH_TYPES.json : PATCH_TYPES.merge,
    )
  }

  /** Deletes at once, because no kubelet ends pods gracefully. No error if the object is absent. */
  async delete(reference: Reference): Promise<void> {
    await this.request('DELETE', `${await this.#path(reference)}?gracePeriodSeconds=0`).catch(ignoreMissing)
  }

  /** TokenRequest. @param seconds at least 600, says the API server */
  async token(namespace: string, account: string, audience: string, seconds = 24 * 3600): Promise<string> {
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [audience], expirationSeconds: seconds },
    }
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`
    return ((await this.request('POST', path, body)) as { status: { token: string } }).status.token
  }

  /** @returns the parsed body, or its text when it is not JSON. @throws KubeError when the status is not 2xx */
  request(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<unknown> {
    const { server, token } = this.#credentials
    const payload = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, accept: 'application/json', ...(payload && { 'content-type': contentType }) }
      const sent = request(`${server}${path}`, { method, agent: this.#agent, headers, timeout: TIMEOUT_MS }, (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > MAX_BODY_BYTES) sent.destroy(new Error(`${path}: body beyond ${MAX_BODY_BYTES} bytes`))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const parsed = parse(Buffer.concat(chunks).toString('utf8'))
          const status = response.statusCode ?? 0
          if (status >= 200 && status < 300) resolve(parsed)
          else reject(new KubeError(status, `${method} ${path}: ${status} ${messageOf(parsed)}`))
        })
      })
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer in ${TIMEOUT_MS / 1000} s`)))
      sent.on('error', reject)
      sent.end(payload)
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  async #path(reference: Reference): Promise<string> {
    const { apiVersion, kind, namespace, name } = reference
    const resource = await until(`the API to serve ${apiVersion} ${kind}`, () => this.#resource(apiVersion, kind), 15_000)
    const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : ''
    return `${groupPath(apiVersion)}${scope}/${resource.name}${name === undefined ? '' : `/${name}`}`
  }

  async #resource(apiVersion: string, kind: string): Promise<Resource | undefined> {
    const find = (): Resource | undefined => this.#resources.get(apiVersion)?.find((r) => r.kind === kind && !r.name.includes('/'))
    const known = find()
    if (known !== undefined) return known
    const listed = (await this.request('GET', groupPath(apiVersion))) as { resources?: Resource[] }
    this.#resources.set(apiVersion, listed.resources ?? [])
    return find()
  }
}

export function referenceTo(object: KubeObject): Reference {
  const { apiVersion, kind, metadata } = object
  return { apiVersion, kind, name: metadata.name, ...(metadata.namespace !== undefined && { namespace: metadata.namespace }) }
}

const groupPath = (apiVersion: string): string => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`)

function ignoreMissing(error: unknown): undefined {
  if (error instanceof KubeError && error.status === 404) return undefined
  throw error
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const messageOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'message' in body ? String(body.message) : JSON.stringify(body).slice(0, 300)
