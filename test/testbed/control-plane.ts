/** etcd, and one kube-apiserver per cluster. There is no controller manager: the bed creates service accounts and slices itself. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stringify } from 'yaml'
import type { Binaries } from './build.ts'
import { Kube } from './kube.ts'
import { apiServerAddress, CLUSTERS, type ClusterName, context, HOST_ADDRESS, indexOf, runFile } from './layout.ts'
import { createLeaf, createRoot } from './pki.ts'
import { type Process, start } from './processes.ts'
import { until } from './run.ts'

const ETCD = `http://${HOST_ADDRESS}:2379`
const PKI = runFile('pki')
/** In the order a kube-apiserver's flags name them. */
const FILES = { ca: 'ca.pem', serviceAccountKey: 'sa.key', tokens: 'tokens.csv' } as const

/** The group that deploy/rbac.yaml grants its rights to. */
const OPERATORS = 'entente-operators'

/** The data of one cluster in a kubeconfig. */
export interface Access {
  readonly server: string
  readonly ca: string
  readonly token: string
}

/** By the name of the flag, without dashes. */
type ApiServerFlags = Readonly<Record<string, string>>

interface ApiServerSetup {
  readonly access: Access
  readonly operator: Access
  readonly binary: string
  /** In addition to those of every bed. */
  readonly more: ApiServerFlags
}

/** Serves ClusterTrustBundles, which a kube-apiserver does not do by itself. */
export const TRUST_BUNDLE_API: ApiServerFlags = {
  'feature-gates': 'ClusterTrustBundle=true',
  'runtime-config': 'certificates.k8s.io/v1beta1=true',
}

export class ApiServer {
  readonly cluster: ClusterName
  readonly access: Access
  /** As ann, whose group is `OPERATORS`: no rights but those that a test grants it. */
  readonly operator: Access
  readonly kube: Kube
  readonly #binary: string
  readonly #flags: ApiServerFlags
  #process: Process | undefined

  constructor(cluster: ClusterName, { access, operator, binary, more }: ApiServerSetup) {
    this.cluster = cluster
    this.access = access
    this.operator = operator
    this.kube = new Kube(access)
    this.#binary = binary
    this.#flags = { ...flags(cluster), ...more }
  }

  async start(): Promise<void> {
    const args = Object.entries(this.#flags).map(([name, value]) => `--${name}=${value}`)
    this.#process = start(`kube-${this.cluster}`, this.#binary, args)
    await until(`kube-apiserver ${this.cluster}`, () => this.#isReady(), 60_000)
  }

  /** Callers then get a refused connection. */
  async stop(): Promise<void> {
    await this.#process?.stop('SIGKILL')
  }

  async #isReady(): Promise<boolean> {
    if (this.#process?.alive() !== true) throw new Error(`it ended: ${this.#process?.lastWords()}`)
    return (await this.kube.request('GET', '/readyz')) === 'ok'
  }
}

/** Starts etcd and both API servers. @param more flags of the API servers, in addition to those of every bed */
export async function startControlPlane(binaries: Binaries, more: ApiServerFlags = {}): Promise<Record<ClusterName, ApiServer>> {
  mkdirSync(PKI, { recursive: true, mode: 0o700 })
  const ca = await createRoot('CN=kube-ca')
  const [token, operators] = [randomBytes(24).toString('base64url'), randomBytes(24).toString('base64url')]
  write(FILES.ca, ca.certificate)
  write(FILES.tokens, `${token},admin,admin,system:masters\n${operators},ann,ann,${OPERATORS}\n`)
  const signer = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  write(FILES.serviceAccountKey, signer.privateKey)
  startEtcd()
  const server = async (cluster: ClusterName): Promise<ApiServer> => {
    const leaf = await createLeaf(
      { subject: `CN=kube-${cluster}`, ip: [apiServerAddress(cluster)], dns: ['kubernetes.default.svc'] },
      ca,
      365,
    )
    write(`${cluster}.pem`, leaf.certificate)
    write(`${cluster}.key`, leaf.key)
    const access = { server: `https://${apiServerAddress(cluster)}:6443`, ca: ca.certificate, token }
    const binary = path.join(binaries.root, binaries.kubeApiserver)
    const made = new ApiServer(cluster, { access, operator: { ...access, token: operators }, binary, more })
    await made.start()
    return made
  }
  const [a, b] = await Promise.all([server('a'), server('b')])
  return { a, b }
}

function startEtcd(): void {
  const peers = `http://${HOST_ADDRESS}:2380`
  const urls = ['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD, '--listen-peer-urls', peers]
  const cluster = ['--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`]
  start('etcd', 'etcd', ['--data-dir', runFile('etcd'), ...urls, ...cluster, '--unsafe-no-fsync'])
}

function flags(cluster: ClusterName): ApiServerFlags {
  const file = (name: string): string => path.join(PKI, name)
  return {
    'etcd-servers': ETCD,
    'etcd-prefix': `/${cluster}`,
    'bind-address': apiServerAddress(cluster),
    'advertise-address': apiServerAddress(cluster),
    'secure-port': '6443',
    'tls-cert-file': file(`${cluster}.pem`),
    'tls-private-key-file': file(`${cluster}.key`),
    'client-ca-file': file(FILES.ca),
    'token-auth-file': file(FILES.tokens),
    'authorization-mode': 'RBAC',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': file(FILES.serviceAccountKey),
    'service-account-signing-key-file': file(FILES.serviceAccountKey),
    'api-audiences': 'https://kubernetes.default.svc,istio-ca',
    'service-cluster-ip-range': `10.96.${indexOf(cluster)}.0/24`,
    'kubelet-preferred-address-types': 'InternalIP',
    'disable-admission-plugins': 'ServiceAccount',
  }
}

/** One kubeconfig for several clusters, its contexts named as layout.ts says; the first one is current. */
export function kubeconfig(access: Partial<Record<ClusterName, Access>>): string {
  const named = CLUSTERS.flatMap((cluster) => {
    const found = access[cluster]
    return found === undefined ? [] : [{ name: context(cluster), ...found }]
  })
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: named.map(({ name, server, ca }) => ({
      name,
      cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') },
    })),
    users: named.map(({ name, token }) => ({ name: `${name}-user`, user: { token } })),
    contexts: named.map(({ name }) => ({ name, context: { cluster: name, user: `${name}-user` } })),
    'current-context': named[0]?.name,
  })
}

const write = (name: string, content: string): void => writeFileSync(path.join(PKI, name), content, { mode: 0o600 })
