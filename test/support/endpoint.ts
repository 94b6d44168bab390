/** A bundle endpoint on loopback with the configured behaviour: real TLS, a port of its own. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestLeaf } from './ca.ts'

export interface TestEndpoint {
  /** `https://localhost:PORT` */
  readonly url: string
  /** The paths that were asked for. */
  readonly seen: readonly string[]
  close(): Promise<void>
}

export type Behaviour = (response: ServerResponse, request: IncomingMessage) => void

export async function startEndpoint(certificate: Pick<TestLeaf, 'certPem' | 'keyPem'>, behaviour: Behaviour): Promise<TestEndpoint> {
  const seen: string[] = []
  const server = createServer({ cert: certificate.certPem, key: certificate.keyPem }, (request, response) => {
    seen.push(request.url ?? '')
    behaviour(response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, seen, close }
}

export const answer =
  (
    body: string | Uint8Array,
    status = 200,
    headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
  ): Behaviour =>
  (response) =>
    void response.writeHead(status, headers).end(body)

export const redirect = (location: string, status = 302): Behaviour => answer('', status, { location })
