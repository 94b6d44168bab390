/**
 * Mutual-TLS requests, many at once, each with a leaf of its own. Standard input: the leaves as one line of JSON, then
 * a line for each volley; standard output: a line of results for each (volley.ts beside the programs). The servers'
 * certificates are not judged.
 */

import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import type { Shot, ShotResult } from '../volley.ts'

const TIMEOUT_MS = 10_000
const AT_ONCE = 12

let leaves: Record<string, { certificate: string; key: string }> | undefined
for await (const line of createInterface({ input: process.stdin })) {
  if (leaves === undefined) leaves = JSON.parse(line) as typeof leaves
  else process.stdout.write(`${JSON.stringify(await all(JSON.parse(line) as readonly Shot[]))}\n`)
}
process.exit(0)

async function all(shots: readonly Shot[]): Promise<readonly ShotResult[]> {
  const results: ShotResult[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let i = next++; i < shots.length; i = next++) results[i] = await fire(shots[i] as Shot)
    }),
  )
  return results
}

function fire({ leaf, address, port, method, path, host, headers }: Shot): Promise<ShotResult> {
  return new Promise((resolve) => {
    const { certificate, key } = leaves?.[leaf] ?? {}
    const socket = connect({ host: address, port, cert: certificate, key, ALPNProtocols: ['istio'], rejectUnauthorized: false })
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
