/** The commands that the bed needs, and the Debian packages that contain them. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { outcome, run } from './run.ts'

/** The package is installed only when its command is missing. */
const PACKAGES: Readonly<Record<string, string>> = {
  etcd: 'etcd-server',
  kubectl: 'kubernetes-client',
  iptables: 'iptables',
  ip: 'iproute2',
  openssl: 'openssl',
  curl: 'curl',
  setpriv: 'util-linux',
}

const PATHS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']

const has = (command: string): boolean => PATHS.some((directory) => existsSync(path.join(directory, command)))

/** Installs missing Debian packages; requires Go and Python, and does not install them. */
export async function ensureTools(progress: (line: string) => void): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the test bed makes network namespaces: run it as root')
  await ensurePackages(PACKAGES, progress)
}

/** @param wanted Debian packages, by the command that each is wanted for */
export async function ensurePackages(wanted: Readonly<Record<string, string>>, progress: (line: string) => void): Promise<void> {
  const missing = Object.keys(wanted).filter((command) => !has(command))
  if (missing.length === 0) return
  const packages = missing.map((command) => wanted[command] ?? command)
  if (!has('apt-get')) throw new Error(`missing commands: ${missing.join(', ')} (Debian packages: ${packages.join(' ')})`)
  progress(`installing ${packages.join(' ')}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-q'], { env, timeoutMs: 300_000 })
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { env, timeoutMs: 600_000 })
}

/** Building also requires Go, and a Python that can create virtual environments. */
export async function ensureBuilders(): Promise<void> {
  if (!has('go')) throw new Error('building needs Go 1.26 or newer on the PATH')
  const python = await outcome('python3', ['-c', 'import venv, ensurepip']).catch(() => undefined)
  if (python?.code !== 0) throw new Error('building needs python3 with the venv module (Debian: apt-get install python3-venv)')
}
