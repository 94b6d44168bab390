/**
 * The workload: says who called it.
 *   :8080/        {"pod": "b/sample/server", "clientIdentity": "spiffe://…" | null, "forwarded": …}: from the header that the sidecar writes
 *   :8080/stream  one chunk every 100 ms until the caller leaves
 *   :9000         TCP echo
 */
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'

const pod = process.argv[2] ?? ''

const http = createServer((request, response) => {
  if (request.url !== '/stream') {
    const forwarded = String(request.headers['x-forwarded-client-cert'] ?? '')
    const clientIdentity = /URI=([^;,]*)/.exec(forwarded)?.[1] ?? null
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify({ pod, clientIdentity, forwarded })}\n`)
    return
  }
  const timer = setInterval(() => response.write(`${Date.now()}\n`), 100)
  response.on('close', () => clearInterval(timer))
})
http.listen(8080)

createTcpServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
}).listen(9000)
