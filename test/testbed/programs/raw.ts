/** One mutual-TLS request with the leaf given on standard input; prints a RawResult (traffic.ts). The other side's certificate is not judged. */

import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { parseEcho, type RawResult } from '../traffic.ts'

interface Request {
  readonly address: string
  readonly port: number
  readonly leaf: { readonly certificate: string; readonly key: string }
  readonly alpn: string
  readonly sni?: string
  readonly path?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
}

const asked = JSON.parse(await text(process.stdin)) as Request

const socket = connect({
  host: asked.address,
  port: asked.port,
  cert: asked.leaf.certificate,
  key: asked.leaf.key,
  ALPNProtocols: [asked.alpn],
  ...(asked.sni !== undefined && { servername: asked.sni }),
  rejectUnauthorized: false,
})

let answer = ''
let peer: string | undefined
socket.setTimeout(5_000, () => socket.destroy(new Error('no answer in 5 s')))
socket.on('secureConnect', () => {
  peer = socket.getPeerCertificate().subjectaltname
  const more = Object.entries(asked.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET ${asked.path ?? '/'} HTTP/1.1\r\nHost: ${asked.host ?? 'server.sample'}\r\n${more.join('')}Connection: close\r\n\r\n`)
})
socket.on('data', (chunk: Buffer) => {
  answer += chunk.toString('utf8')
})
// TLS 1.3: a refusal of our certificate arrives after our side of the handshake is done.
socket.on('error', (error) => finish(error.message))
socket.on('close', () => finish(answer === '' ? 'closed without an answer' : undefined))

function finish(error: string | undefined): void {
  const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]
  const alert = /alert number (\d+)/.exec(error ?? '')?.[1]
  const body = parseEcho(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))
  const result: RawResult = {
    accepted: status !== undefined,
    ...(status !== undefined && { status: Number(status) }),
    ...(body && { body }),
    ...(alert !== undefined && { alert: Number(alert) }),
    ...(error !== undefined && status === undefined && { error }),
    ...(peer !== undefined && { peer }),
  }
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}
