/** A federation of the bed's two clusters in a directory of its own, and the command line in it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'vitest'
import { stringify } from 'yaml'
import type { AuditEntry } from '../../src/core/model/recorded.ts'
import type { PlanView } from '../../src/core/view/plan-view.ts'
import type { VerdictView } from '../../src/core/view/schemas.ts'
import type { VerifyView } from '../../src/core/view/verify-view.ts'
import { cli, type Ran, type Running, startCli } from '../support/cli.ts'
import type { Bed } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { until } from '../testbed/run.ts'

export const CALLER = 'cluster-a.example/ns/sample/sa/client'
const SERVER = 'cluster-b.example/ns/sample/sa/server'
export const HOST = 'server.sample.svc.cluster.local'

type Doc = Readonly<Record<string, unknown>>

/** Callers of a in, at the server of b. @param changes other fields of the entry under `accept` */
export const bAccepts = (changes: Doc = {}): Doc => ({
  truster: 'cluster-b',
  trusted: 'cluster-a',
  distribution: 'pinned',
  accept: [{ namespace: 'sample', selector: { app: 'server' }, mtls: 'enforce', callers: [CALLER], ...changes }],
})

/** The client of a out, to the server of b. @param changes other fields of the entry under `reach` */
export const aReaches = (changes: Doc = {}): Doc => ({
  truster: 'cluster-a',
  trusted: 'cluster-b',
  distribution: 'pinned',
  reach: [{ namespace: 'sample', selector: { app: 'client' }, services: [{ host: HOST, servedBy: [SERVER] }], ...changes }],
})

export const BOTH = [bAccepts(), aReaches()]

export const MEMBERS: readonly Doc[] = ['a', 'b'].map((cluster) => ({
  name: `cluster-${cluster}`,
  trustDomain: `cluster-${cluster}.example`,
  network: `network-${cluster}`,
  cluster: { context: `cluster-${cluster}` },
}))

/** For commands that wait by themselves, until certificates have lived out their time. */
const PATIENCE_MS = 15 * 60_000

export class Shop {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'entente-shop-'))
  readonly #kubeconfig: string

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig
  }

  /** A federation as `init` leaves it, with these trusts. */
  static async open(bed: Bed, trust: readonly Doc[] = []): Promise<Shop> {
    const shop = new Shop(bed.kubeconfig)
    expectCode(await shop.run('init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes'), 0)
    shop.write(trust)
    return shop
  }

  file(name: string): string {
    return path.join(this.directory, name)
  }

  read(name: string): string {
    return readFileSync(this.file(name), 'utf8')
  }

  /** Writes the trusts to federation.yaml, and removes `severed`. */
  write(trust: readonly Doc[], members: readonly Doc[] = MEMBERS): void {
    const spec = { members, trust, severed: [] }
    this.writeText(stringify({ apiVersion: 'entente.dev/v1alpha1', kind: 'Federation', metadata: { name: 'shop' }, spec }))
  }

  writeText(text: string): void {
    writeFileSync(this.file('federation.yaml'), text)
  }

  run(...args: readonly string[]): Promise<Ran> {
    return this.runAs(this.#kubeconfig, ...args)
  }

  runAs(kubeconfig: string, ...args: readonly string[]): Promise<Ran> {
    return cli(args, { cwd: this.directory, kubeconfig })
  }

  /** On a machine whose clock is wrong. */
  runAt(aheadMs: number, ...args: readonly string[]): Promise<Ran> {
    return cli(args, { cwd: this.directory, kubeconfig: this.#kubeconfig, aheadMs })
  }

  /** A second clone, as another user has it. */
  clone(): Shop {
    const copy = new Shop(this.#kubeconfig)
    cpSync(this.directory, copy.directory, { recursive: true })
    return copy
  }

  /** For commands that wait for minutes. */
  patiently(...args: readonly string[]): Promise<Ran> {
    return cli(args, { cwd: this.directory, kubeconfig: this.#kubeconfig, timeoutMs: PATIENCE_MS })
  }

  /** Under way; it may wait for minutes by itself. */
  /** With a clock that is ahead. */
  startAt(aheadMs: number, ...args: readonly string[]): Running {
    return startCli(args, { cwd: this.directory, kubeconfig: this.#kubeconfig, timeoutMs: PATIENCE_MS, aheadMs })
  }

  start(...args: readonly string[]): Running {
    return startCli(args, { cwd: this.directory, kubeconfig: this.#kubeconfig, timeoutMs: PATIENCE_MS })
  }

  async plan(): Promise<PlanView & { readonly code: number }> {
    const ran = await this.run('plan', '-o', 'json')
    if (ran.json === undefined) throw new Error(ran.stderr)
    return { ...(ran.json as PlanView), code: ran.code }
  }

  async verify(): Promise<VerifyView & { readonly code: number }> {
    const ran = await this.run('verify', '-o', 'json')
    if (ran.json === undefined) throw new Error(ran.stderr)
    return { ...(ran.json as VerifyView), code: ran.code }
  }

  /** The verdict on what one mesh thinks of the other. */
  async verdict(truster: 'a' | 'b'): Promise<VerdictView> {
    const { trusts } = await this.verify()
    const found = trusts.find((trust) => trust.truster === `cluster-${truster}`)
    if (found === undefined) throw new Error(`no verdict on cluster-${truster}`)
    return found
  }

  apply(...more: readonly string[]): Promise<Ran> {
    return this.run('apply', '--reason', 'e2e', '--yes', ...more)
  }

  /** Sets exactly these trusts, in the file and on the clusters, and lifts earlier severs. */
  async make(trust: readonly Doc[]): Promise<void> {
    this.write(trust)
    await this.lift()
    expectCode(await this.apply(), 0)
  }

  /** Lifts every sever on the record, and approves the trusted roots again: the next apply may open these trusts. */
  async lift(): Promise<void> {
    const last = new Map(
      this.record().flatMap((entry) =>
        entry.action === 'sever' || entry.action === 'lift' ? [[`${entry.truster} ${entry.trusted}`, entry] as const] : [],
      ),
    )
    for (const { action, truster, trusted } of last.values()) {
      if (action !== 'sever') continue
      expectCode(await this.run('sever', '--lift', truster, trusted, '--reason', 'e2e', '--yes'), 0)
      expectCode(await this.run('approve', trusted, '--reason', 'e2e', '--yes'), 0)
    }
  }

  /** Until every trust of the file is proven. */
  async proven(): Promise<void> {
    let last: VerifyView | undefined
    const said = async () => {
      last = await this.verify()
      return last.trusts.every((trust) => trust.state === 'proven')
    }
    await until('verify to say proven', said, 120_000).catch((cause: Error) => {
      throw new Error(`${cause.message}: ${JSON.stringify(last, undefined, 1)}`)
    })
  }

  record(): readonly AuditEntry[] {
    return this.read('audit.jsonl')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as AuditEntry)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Fails with what the command said. */
export function expectCode(ran: Ran, code: number): Ran {
  expect(ran.code, `${ran.stderr}\n${ran.stdout}`).toBe(code)
  return ran
}

const KINDS = [
  { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' },
  { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' },
  { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
] as const

/** All objects of Entente in a cluster. */
export async function ours(cluster: Cluster): Promise<readonly KubeObject[]> {
  const lists = await Promise.all(KINDS.map((kind) => cluster.kube.list(kind)))
  return lists.flat().filter((object) => object.metadata.labels?.['app.kubernetes.io/managed-by'] === 'entente')
}

/** The state that a read-only command must not change: Entente's objects with their versions, on both clusters. */
export async function written(bed: Bed): Promise<readonly string[]> {
  const all = await Promise.all(bed.clusters.map(async (cluster) => (await ours(cluster)).map((object) => [cluster.name, object] as const)))
  return all
    .flat()
    .map(([name, { kind, metadata }]) => `${name} ${kind} ${metadata.namespace}/${metadata.name} ${metadata.resourceVersion}`)
    .sort()
}

export const codes = (findings: readonly { readonly code: string }[]): readonly string[] => findings.map((finding) => finding.code)
