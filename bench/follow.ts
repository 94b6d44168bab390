/**
 * Following 1,000 partners over real TLS, each with a CA and an endpoint of its own, on loopback: one round, and one round in
 * which one partner answers a byte a second. The others must be as fresh as before.
 *
 *     npx tsx bench/follow.ts
 */
import type { Server } from 'node:https'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { fetchServed } from '../src/adapters/bundle-endpoint/fetch.ts'
import { follow } from '../src/app/exchange/follow.ts'
import { printBundle } from '../src/core/spiffe/bundle.ts'
import { makeCa } from '../test/support/ca.ts'
import { memoryPorts } from '../test/support/ports.ts'

const PARTNERS = 1_000
const FETCH_MS = 5_000
const MOST = 1.5

let slow = false
const servers: Server[] = []
const partners = []
for (let i = 0; i < PARTNERS; i++) {
  const trustDomain = `partner-${i}.example`
  const ca = await makeCa({ trustDomain })
  const id = `spiffe://${trustDomain}/ns/trust/sa/bundles`
  const leaf = await ca.leaf(id)
  const body = printBundle({ ...ca.bundle, sequence: 1n, refreshHintSeconds: 300 })
  const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, (_, response) => {
    if (i > 0 || !slow) return void response.end(body)
    let sent = 0
    response.writeHead(200)
    const timer = setInterval(() => response.write(body[sent++] ?? ' '), 1_000)
    response.on('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  const url = `https://localhost:${(server.address() as AddressInfo).port}/bundle`
  const member = { name: `partner-${i}`, trustDomain, bundleEndpoint: { url, profile: { type: 'https_spiffe', endpointSPIFFEID: id } } }
  partners.push({ member, bundle: ca.bundle })
}
const memory = memoryPorts(
  { members: partners.map(({ member }) => member), trust: [], severed: [] },
  [],
  ...partners.map(({ bundle }) => bundle),
)
const ports = {
  ...memory,
  now: () => new Date(),
  endpoints: {
    ...memory.endpoints,
    fetch: (endpoint: Parameters<typeof fetchServed>[0]) => fetchServed(endpoint, { timeoutMilliseconds: FETCH_MS }),
  },
}

async function round(): Promise<{ readonly others: number; readonly all: number; readonly failed: number; readonly mib: number }> {
  const begin = Date.now()
  const results = await follow(ports, { members: [] })
  const all = Date.now() - begin
  const others = Math.max(...results.slice(1).map(({ at }) => at.getTime())) - begin
  const failed = results.filter(({ decision }) => decision?.kind !== 'same').length
  return { others, all, failed, mib: process.memoryUsage().rss / 2 ** 20 }
}

const text = ({ others, all, failed, mib }: Awaited<ReturnType<typeof round>>): string =>
  `${String(others).padStart(6)} ms ${(others / PARTNERS).toFixed(2).padStart(6)} ms/partner ${String(all).padStart(7)} ms ${String(failed).padStart(4)} failed ${mib.toFixed(0).padStart(6)} MiB with all servers`
console.log(`\nfollow ${PARTNERS} partners once, real TLS on loopback, the servers in the same process\n`)
console.log('                    the others                     the whole round')
await round()
const fast = await round()
console.log(`all answer       ${text(fast)}`)
slow = true
const withSlow = await round()
console.log(`one drips        ${text(withSlow)}`)
if (fast.failed !== 0 || withSlow.failed !== 1) throw new Error('a partner that answers was not followed')
if (withSlow.others > fast.others * MOST) {
  console.log(`SLOW: one partner delays the others, at most ${MOST}x`)
  process.exitCode = 1
}
for (const server of servers) {
  server.closeAllConnections()
  server.close()
}
