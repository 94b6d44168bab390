/**
 * Reads the contexts and the credentials of a kubeconfig. @kubernetes/client-node does the reading, the merging and the
 * credentials themselves (exec plugins, OIDC, certificates, tokens). Its index loads a client of 15 MB, so only this module of
 * it is imported, on demand.
 */

import { existsSync, readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { delimiter, dirname, join, resolve } from 'node:path'
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import { parse } from 'yaml'
import { clip } from '../../../core/basics/clip.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import { at, list, text } from '../../../core/model/manifest.ts'
import { fileError } from '../../files/write-files.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface KubeconfigSource {
  /** A file to read instead of KUBECONFIG and ~/.kube/config. */
  readonly path?: string
  readonly env: Environment
}

/** One context, ready to request credentials. */
export interface Access {
  readonly context: string
  readonly server: URL
  /** The kubeconfig with this context as the current one, for what client-node does itself (port-forward). */
  readonly config: KubeConfig
  /** Headers and TLS options for one request; it runs exec plugins and refreshes tokens. */
  credentials(): Promise<RequestOptions>
}

export interface Kubeconfig {
  readonly contexts: readonly string[]
  readonly current: string | undefined
  /** @throws FederationError context-unknown */
  access(context: string): Access
}

/** The context's name for a pod's own service account, if there is no kubeconfig. */
export const IN_CLUSTER = 'in-cluster'

/** A plugin may wait for a person, and a refresh for a slow identity provider. */
const CREDENTIALS_MS = 60_000

/** @throws FederationError file-unreadable */
export async function loadKubeconfig(source: KubeconfigSource): Promise<Kubeconfig> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js')
  const merged = new KubeConfig()
  const files = filesOf(source)
  for (const file of files) merge(merged, readOne(new KubeConfig(), file))
  if (files.length === 0 && source.env.KUBERNETES_SERVICE_HOST !== undefined) loadInCluster(merged)
  return {
    contexts: merged.contexts.map((c) => c.name),
    current: merged.currentContext || undefined,
    access: (context) => accessOf(select(new KubeConfig(), merged, context, files), context),
  }
}

/** As kubectl, it skips files of KUBECONFIG that do not exist. */
function filesOf({ path, env }: KubeconfigSource): readonly string[] {
  if (path !== undefined) return [path]
  if (env.KUBECONFIG) return env.KUBECONFIG.split(delimiter).filter((file) => file !== '' && existsSync(file))
  const home = env.HOME ?? env.USERPROFILE
  const usual = home === undefined ? undefined : join(home, '.kube', 'config')
  return usual !== undefined && existsSync(usual) ? [usual] : []
}

function readOne(config: KubeConfig, file: string): KubeConfig {
  try {
    config.loadFromFile(file)
    config.users = withTokenFiles(config.users, file)
    return config
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) throw fileError('file-unreadable', file, cause)
    // Only the parser's first line: the rest quotes the file, which contains credentials.
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new FederationError('file-unreadable', about.file(file), `not a kubeconfig: ${why}`, {
      hint: `kubectl --kubeconfig ${file} config view`,
    })
  }
}

/**
 * Reads `tokenFile`, which client-node ignores. It takes precedence over `token`; a relative path starts at the
 * kubeconfig's folder.
 */
function withTokenFiles(users: KubeConfig['users'], file: string): KubeConfig['users'] {
  const written = readFileSync(file, 'utf8')
  // Most kubeconfigs have none, and reading a large one twice takes longer than the request that it is for.
  if (!written.includes('tokenFile')) return users
  const paths = new Map(list(at(parse(written), 'users')).map((entry) => [at(entry, 'name'), text(at(entry, 'user', 'tokenFile'))]))
  return users.map((user) => {
    const path = paths.get(user.name)
    return path ? { ...user, token: readFileSync(resolve(dirname(file), path), 'utf8').trim() } : user
  })
}

/** Merges as kubectl: of two entries with one name, the one in the earlier file counts. */
function merge(into: KubeConfig, from: KubeConfig): void {
  const add = <T extends { name: string }>(all: T[], more: T[]): T[] => [...all, ...more.filter((m) => !all.some((a) => a.name === m.name))]
  into.clusters = add(into.clusters ?? [], from.clusters)
  into.users = add(into.users ?? [], from.users)
  into.contexts = add(into.contexts ?? [], from.contexts)
  into.currentContext ||= from.currentContext
}

function loadInCluster(config: KubeConfig): void {
  config.loadFromCluster()
  config.contexts = config.contexts.map((c) => ({ ...c, name: IN_CLUSTER }))
  config.currentContext = IN_CLUSTER
}

function select(into: KubeConfig, all: KubeConfig, context: string, files: readonly string[]): KubeConfig {
  const found = all.contexts.find((c) => c.name === context)
  const where = files.length === 0 ? 'there is no kubeconfig' : `not in ${files.join(', ')}`
  const known = all.contexts.map((c) => c.name).join(', ')
  const refuse = (message: string): never => {
    throw new FederationError('context-unknown', context, message, {
      hint: known === '' ? 'set KUBECONFIG, or write the context into ~/.kube/config' : `known contexts: ${known}`,
    })
  }
  if (found === undefined) return refuse(`no such context: ${where}`)
  const cluster =
    all.clusters.find((c) => c.name === found.cluster) ?? refuse(`its cluster ${JSON.stringify(found.cluster)} is not in the kubeconfig`)
  // client-node drops the cluster's CA and TLS settings if a context has no user: give it an anonymous one.
  const user =
    all.users.find((u) => u.name === found.user) ??
    (found.user ? refuse(`its user ${JSON.stringify(found.user)} is not in the kubeconfig`) : undefined)
  into.loadFromOptions({
    clusters: [cluster],
    users: [user ?? { name: 'anonymous' }],
    contexts: [{ ...found, user: user?.name ?? 'anonymous' }],
    currentContext: context,
  })
  return into
}

function accessOf(config: KubeConfig, context: string): Access {
  const server = config.getCurrentCluster()?.server ?? ''
  if (!URL.canParse(server)) {
    throw new FederationError('context-unknown', context, `its server ${JSON.stringify(server)} is not a URL`)
  }
  let pending: Promise<RequestOptions> | undefined
  const ask = async (): Promise<RequestOptions> => {
    const options: RequestOptions = {}
    try {
      await within(CREDENTIALS_MS, config.applyToHTTPSOptions(options))
    } catch (cause) {
      throw new FederationError('cluster-refused', context, `no credentials: ${firstWords(cause)}`, {
        hint: `kubectl --context ${context} auth whoami`,
      })
    } finally {
      pending = undefined
    }
    return options
  }
  return {
    context,
    server: new URL(server),
    config,
    // Concurrent requests share one run of an exec plugin.
    credentials: () => (pending ??= ask()),
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the credential plugin did not answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Enough to see the plugin's error, too little to print a credential. */
function firstWords(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return clip(text.trim().split('\n').slice(0, 2).join(' '), 200) || 'the credential plugin failed without a message'
}
