/** A TLS server with any leaf (on standard input, then it listens on 8080): what a workload of another mesh would be, past every Envoy. */
import { once } from 'node:events'
import { createServer } from 'node:https'

process.stdin.once('data', (line: Buffer) => {
  const leaf = JSON.parse(line.toString('utf8')) as { readonly certificate: string; readonly key: string }
  const options = {
    cert: leaf.certificate,
    key: leaf.key,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['istio', 'http/1.1'],
  }
  const server = createServer(options, (_, response) => response.end('an impostor'))
  server.listen(8080)
  void once(server, 'listening').then(() => process.stdout.write('listening\n'))
})
process.stdin.on('end', () => process.exit(0))
