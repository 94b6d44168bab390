/** An API server whose clock is off: everything goes to a real one and back, but the header Date. */
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeCa } from './ca.ts'

export interface LateApi {
  readonly server: string
  /** The root of its own certificate, PEM. */
  readonly ca: string
  close(): Promise<void>
}

/** @param seconds how far it is behind */
export async function lateApi(behind: { readonly server: string; readonly ca: string }, seconds: number): Promise<LateApi> {
  const own = await makeCa({ trustDomain: 'kube.test' })
  const { certPem, keyPem } = await own.leaf('spiffe://kube.test/api', { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const agent = new Agent({ keepAlive: true, ca: behind.ca })
  const server = createServer({ cert: certPem, key: keyPem }, (asked, answer) => {
    const onward = request(
      `${behind.server}${asked.url}`,
      { method: asked.method, headers: { ...asked.headers, host: new URL(behind.server).host }, agent },
      (heard) => {
        const date = new Date(Date.parse(heard.headers.date ?? '') - seconds * 1000).toUTCString()
        answer.writeHead(heard.statusCode ?? 502, { ...heard.headers, date })
        heard.pipe(answer)
      },
    )
    onward.on('error', () => answer.destroy())
    asked.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: own.root.pem,
    async close() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
