/**
 * Reads evidence of every proxy of bench/evidence-istiod.ts, as `observe` does once and polling does again, and says as
 * JSON what it took: a process of its own, so that its memory is nobody else's.
 *
 * Arguments: `direct`, `forward` or `bare`, the port, the kubeconfig.
 */

import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { debug } from '../src/adapters/istiod/debug.ts'
import { evidenceOf, type Memory } from '../src/adapters/istiod/evidence.ts'
import { RoadAgent } from '../src/adapters/istiod/road.ts'
import { openTunnel } from '../src/adapters/istiod/tunnel.ts'
import { kubeClient } from '../src/adapters/kubernetes/transport/client.ts'
import { loadKubeconfig } from '../src/adapters/kubernetes/transport/kubeconfig.ts'
import { limit } from '../src/adapters/limit.ts'
import { about } from '../src/core/diagnostics/subject.ts'
import { at, list, text } from '../src/core/model/manifest.ts'
import { readProxyConfig } from '../src/core/trust/live/live-config.ts'

/** Milliseconds and MiB. */
export interface Reading {
  readonly first: number
  readonly again: number
  readonly before: number
  readonly peak: number
  readonly proxies: number
}

const POD = { namespace: 'istio-system', name: 'istiod-0', ip: '127.0.0.1', revision: 'default', env: {}, leaving: false, ready: true }
const [road = '', port = '', kubeconfig = ''] = process.argv.slice(2)

const memory: Memory = new Map()
const wanted = { cluster: 'Kubernetes', interesting: () => true, readConfig: readProxyConfig }

async function observe(dial: () => Promise<Duplex>): Promise<number> {
  const agent = new RoadAgent(dial)
  try {
    const heard = await evidenceOf(debug('bench', { kind: 'direct', pod: POD, dial, agent, token: undefined }), wanted, memory)
    return heard.filter(({ evidence }) => evidence.heard && evidence.acknowledged && (evidence.config?.outbound.length ?? 0) > 0).length
  } finally {
    agent.destroy()
  }
}

/** What a program would do that believes every word: the same answers, parsed and dropped, as many at once. */
async function bare(): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const page = (path: string): Promise<unknown> =>
    new Promise((resolve, reject) =>
      get({ agent, host: '127.0.0.1', port, path }, async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        resolve(JSON.parse(Buffer.concat(chunks).toString()))
      }).on('error', reject),
    )
  const atOnce = limit(8)
  const syncs = list(await page('/debug/syncz')).map((sync) => text(at(sync, 'proxy')))
  await Promise.all(syncs.map((id) => atOnce(() => page(`/debug/config_dump?proxyID=${id}`))))
  await page('/debug/syncz')
  agent.destroy()
  return syncs.length
}

const ways: Readonly<Record<string, () => Promise<number>>> = {
  bare,
  direct: () =>
    observe(
      () =>
        new Promise((resolve, reject) => {
          const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => resolve(socket)).once('error', reject)
        }),
    ),
  forward: () => observe(() => openTunnel(client, POD, 15014)),
}

const { access } = await loadKubeconfig({ path: kubeconfig, env: {} })
const client = kubeClient(access('test'), { subject: about.other('bench') })
const work = ways[road]
if (work === undefined) throw new Error(`no such road: ${road}`)
const MIB = 2 ** 20
const before = process.memoryUsage.rss() / MIB
const begun = performance.now()
const proxies = await work()
const first = performance.now() - begun
const againBegun = performance.now()
await work()
const again = performance.now() - againBegun
client.close()
const reading: Reading = { first, again, before, peak: process.resourceUsage().maxRSS / 1024, proxies }
console.log(JSON.stringify(reading))
