/**
 * A stand-in for the kubelet: it serves port-forward, and writes ConfigMap volumes (volume-sync.ts). One process, one HTTPS port per cluster's Node.
 *
 * `/portForward/NAMESPACE/POD?port=N` over WebSocket, sub-protocol `v4.channel.k8s.io`, which the API server passes through: for the i-th
 * port channel 2i carries data and 2i+1 errors, and the first message on each is the port as uint16, little-endian.
 * (Kubernetes: pkg/kubelet, staging/src/k8s.io/cri-client, portforward/websocket.go, v1.36.)
 * It connects to the pod's *localhost*, from inside its network namespace: istiod trusts such connections.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:https'
import { type WebSocket, WebSocketServer } from 'ws'
import { CLUSTERS, type ClusterName, HOST_ADDRESS, kubeletPort, netnsOf } from './layout.ts'
import { createLeaf } from './pki.ts'
import { accessOf, VolumeSync } from './volume-sync.ts'

const PROTOCOL = 'v4.channel.k8s.io'
/** Joins standard input and output to a port of localhost; plain Node, so that it starts quickly. */
const RELAY = `const s = require('node:net').connect(Number(process.argv[1]), '127.0.0.1')
s.on('error', (e) => { console.error(e.message); process.exit(1) }).on('close', () => process.exit(0))
process.stdin.on('end', () => s.destroy()).pipe(s, { end: false })
s.pipe(process.stdout)`

async function serve(cluster: ClusterName): Promise<void> {
  const identity = await createLeaf({ subject: `CN=node-${cluster}`, ip: [HOST_ADDRESS] }, undefined, 30)
  const server = createServer({ cert: identity.certificate, key: identity.key })
  const sockets = new WebSocketServer({ server, handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false) })
  sockets.on('connection', (socket, request) => forward(socket, cluster, new URL(request.url ?? '', 'https://kubelet')))
  server.listen(kubeletPort(cluster), HOST_ADDRESS)
  await new VolumeSync(cluster).run(accessOf(cluster))
}

function forward(socket: WebSocket, cluster: ClusterName, url: URL): void {
  const [, , namespace = '', pod = ''] = url.pathname.split('/')
  const ports = url.searchParams
    .getAll('port')
    .flatMap((value) => value.split(','))
    .map(Number)
  const netns = netnsOf(cluster, namespace, pod)
  if (socket.protocol !== PROTOCOL || !url.pathname.startsWith('/portForward/') || !existsSync(`/run/netns/${netns}`)) {
    socket.close(1011, `no pod ${namespace}/${pod} here`)
    return
  }
  const inputs = ports.map((port, index) => connect(socket, netns, port, 2 * index))
  socket.on('message', (message: Buffer) => {
    inputs[(message[0] ?? 0) / 2]?.write(message.subarray(1)) // error channels (odd) are ours to write
  })
}

function connect(socket: WebSocket, netns: string, port: number, channel: number): NodeJS.WritableStream {
  const relay = spawn('ip', ['netns', 'exec', netns, process.execPath, '-e', RELAY, String(port)])
  const send = (to: number, data: Buffer): void => socket.send(Buffer.concat([Buffer.from([to]), data]))
  const number = Buffer.alloc(2)
  number.writeUInt16LE(port)
  send(channel, number)
  send(channel + 1, number)
  relay.stdout.on('data', (data: Buffer) => send(channel, data))
  relay.stderr.on('data', (data: Buffer) => send(channel + 1, Buffer.concat([Buffer.from(`error forwarding port ${port}: `), data])))
  relay.stdin.on('error', () => {}) // it ended: 'close' reports that
  relay.on('close', () => socket.close(1000))
  socket.on('close', () => relay.kill('SIGKILL'))
  return relay.stdin
}

await Promise.all(CLUSTERS.map(serve))
