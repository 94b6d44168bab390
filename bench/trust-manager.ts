/** trust-manager, from its Go module, as a yardstick: kept outside the repository, as the test bed's binaries are. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { createLeaf } from '../test/testbed/pki.ts'
import { run } from '../test/testbed/run.ts'

const MODULE = 'github.com/cert-manager/trust-manager'
const VERSION = 'v0.25.0'
const HOME = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'entente-bench', `trust-manager-${VERSION}`)
const BUILD_MS = 30 * 60_000

export interface TrustManager {
  /** As released: its client sends 5 requests a second. */
  readonly stock: string
  /** The same with one line more, which lifts that limit. */
  readonly unlimited: string
  readonly crds: string
}

export async function trustManager(): Promise<TrustManager> {
  const { Dir } = JSON.parse(await run('go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`], { timeoutMs: BUILD_MS })) as {
    Dir: string
  }
  const stock = path.join(HOME, 'stock', 'trust-manager')
  const unlimited = path.join(HOME, 'unlimited', 'trust-manager')
  mkdirSync(HOME, { recursive: true })
  if (!existsSync(stock)) await install(path.dirname(stock))
  if (!existsSync(unlimited)) await installUnlimited(Dir, path.dirname(unlimited))
  return { stock, unlimited, crds: path.join(Dir, 'deploy', 'crds') }
}

async function install(into: string): Promise<void> {
  const how = { env: { GOBIN: into }, timeoutMs: BUILD_MS }
  await run('go', ['install', '-trimpath', `${MODULE}/cmd/trust-manager@${VERSION}`], how)
}

async function installUnlimited(module: string, into: string): Promise<void> {
  const source = path.join(HOME, 'source')
  rmSync(source, { recursive: true, force: true })
  cpSync(module, source, { recursive: true })
  await run('chmod', ['-R', 'u+w', source])
  const options = path.join(source, 'cmd/trust-manager/app/options/options.go')
  const call = 'o.RestConfig, err = o.kubeConfigFlags.ToRESTConfig()'
  const text = readFileSync(options, 'utf8')
  if (!text.includes(call)) throw new Error(`${options} is not what it was`)
  writeFileSync(options, text.replace(call, `${call}\n\tif err == nil {\n\t\to.RestConfig.QPS = -1\n\t}`))
  await run('go', ['build', '-trimpath', '-buildvcs=false', '-o', `${into}/`, './cmd/trust-manager'], { cwd: source, timeoutMs: BUILD_MS })
}

/** A certificate for its webhook, which nobody calls here. */
export async function webhookCertificate(): Promise<string> {
  const { certificate, key } = await createLeaf({ uri: ['spiffe://trust-manager'] }, undefined)
  writeFileSync(path.join(HOME, 'tls.crt'), certificate)
  writeFileSync(path.join(HOME, 'tls.key'), key, { mode: 0o600 })
  return HOME
}
