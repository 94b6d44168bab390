/** Many mutual-TLS requests at once, each with a leaf of its own; standard input and output are JSON (volley.ts beside the programs). The servers' certificates are not judged. */

import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import type { Shot, ShotResult } from '../volley.ts'

const TIMEOUT_MS = 10_000
const AT_ONCE = 12

const { leaves, shots } = JSON.parse(await text(process.stdin)) as {
  leaves: Record<string, { certificate: string; key: string }>
  shots: readonly Shot[]
}

function fire({ leaf, address, port, method, path, host, headers }: Shot): Promise<ShotResult> {
  return new Promise((resolve) => {
    const identity = leaves[leaf]
    const socket = connect({
      host: address,
      port,
      cert: identity?.certificate,
      key: identity?.key,
      ALPNProtocols: ['istio'],
      rejectUnauthorized: false,
    })
    let answer = ''
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer in time')))
    socket.on('secureConnect', () => {
      const lines = Object.entries({ host, connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    })
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('utf8')
    })
    const finish = (error?: string): void => {
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]
      const alert = /alert number (\d+)/.exec(error ?? '')?.[1]
      resolve({
        ...(status !== undefined && { status: Number(status) }),
        ...(alert !== undefined && { alert: Number(alert) }),
        ...(error !== undefined && status === undefined && { error }),
      })
    }
    // TLS 1.3: a refusal of our certificate arrives after our side of the handshake is done.
    socket.on('error', (error) => finish(error.message))
    socket.on('close', () => finish(answer === '' ? 'closed without an answer' : undefined))
  })
}

const results: ShotResult[] = []
let next = 0
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let i = next++; i < shots.length; i = next++) results[i] = await fire(shots[i] as Shot)
  }),
)
process.stdout.write(JSON.stringify(results), () => process.exit(0))
