/**
 * The walk-through's manifests on two real clusters: they do nothing, lint says so, and the federation that it prints,
 * approved and applied, does what they were meant to do.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cli, type Ran } from '../support/cli.ts'
import { walkthroughPolicy, walkthroughValues } from '../support/lint.ts'
import { Bed } from '../testbed/bed.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { CALLER, HOST } from './shop.ts'

let bed: Bed
let place: Walkthrough
const folder = mkdtempSync(path.join(tmpdir(), 'entente-lint-'))
const file = (name: string): string => path.join(folder, name)
const entente = (args: readonly string[], input?: string): Promise<Ran> =>
  cli(args, { cwd: folder, kubeconfig: bed.kubeconfig, ...(input === undefined ? {} : { input }) })

/** As the walk-through prints it, for the bed's workloads. */
const peer = (other: string, app: string): string =>
  walkthroughPolicy(other).replace('namespace: default', 'namespace: sample').replace('app: my-app', `app: ${app}`)

const SERVER = `apiVersion: v1
kind: Service
metadata: { name: server, namespace: sample }
spec: { selector: { app: server }, ports: [{ name: http, port: 80 }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: server, namespace: sample }
spec:
  selector: { matchLabels: { app: server } }
  rules: [{ from: [{ source: { principals: [${CALLER}] } }] }]
`

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  place = await walkthrough(bed)
  for (const [here, other, app] of [
    ['a', 'cluster-b', 'client'],
    ['b', 'cluster-a', 'server'],
  ] as const) {
    mkdirSync(file(here))
    writeFileSync(file(`${here}/values.yaml`), walkthroughValues(other))
    writeFileSync(file(`${here}/peer.yaml`), peer(other, app))
  }
  writeFileSync(file('b/server.yaml'), SERVER)
}, 900_000)
afterAll(async () => {
  await bed?.giveBack()
  rmSync(folder, { recursive: true, force: true })
})

describe('the walk-through', () => {
  it('has no effect: the API server drops the aliases, and the call still fails', async () => {
    for (const [cluster, name] of [
      [bed.a, 'a'],
      [bed.b, 'b'],
    ] as const)
      await cluster.kubectl(['apply', '--validate=false', '-f', file(`${name}/peer.yaml`)])
    const stored = JSON.parse(await bed.b.kubectl(['-n', 'sample', 'get', 'peerauthentication', 'allow-cluster-a', '-o', 'json']))
    expect(Object.keys(stored.spec).sort()).toEqual(['mtls', 'selector'])
    expect(await call(place.client, 'server.sample')).toMatchObject({ status: 503 })
  })

  it('is reported by lint: each inert setting by its line, with a federation file to replace it', async () => {
    const ran = await entente(['lint', 'a', 'b', '--replacement', 'federation.yaml', '-o', 'json'])
    expect(ran.code, ran.stderr).toBe(1)
    const { findings } = ran.json as { findings: { file: string; line: number; code: string }[] }
    expect(findings.map((f) => `${f.file}:${f.line} ${f.code}`)).toEqual(
      ['a', 'b'].flatMap((x) => [
        `${x}/peer.yaml:12 inert-peer-aliases`,
        `${x}/values.yaml:5 inert-extra-root-certs`,
        `${x}/values.yaml:6 inert-extra-volumes`,
        `${x}/values.yaml:11 inert-extra-volumes`,
      ]),
    )
    expect(readFileSync(file('federation.yaml'), 'utf8')).toContain(HOST)
  })

  it('works once that file is approved and applied', async () => {
    // The one edit: homes are the clusters, not folders for Git.
    writeFileSync(file('federation.yaml'), readFileSync(file('federation.yaml'), 'utf8').replaceAll('{ directory: ', '{ context: '))
    for (const member of ['cluster-a', 'cluster-b']) {
      const approved = await entente(['approve', member, '--yes', '--reason', 'e2e'])
      expect(approved.code, approved.stderr).toBe(0)
    }
    const plan = await entente(['plan', '-o', 'json'])
    expect(plan.code, plan.stdout).toBe(2)
    const applied = await entente(['apply', '--yes', '--reason', 'e2e'])
    expect(applied.code, applied.stderr).toBe(0)
    await until('the call to be answered', async () => (await call(place.client, 'server.sample')).status === 200)
  })

  it('leaves no finding in the resulting clusters', async () => {
    const kinds = 'peerauthentications,authorizationpolicies,envoyfilters,configmaps'
    for (const [cluster, member] of [
      [bed.a, 'cluster-a'],
      [bed.b, 'cluster-b'],
    ] as const) {
      const live = await cluster.kubectl(['get', kinds, '-A', '-o', 'yaml'])
      const ran = await entente(['lint', '-', '-f', 'federation.yaml', '--member', member, '-o', 'json'], live)
      expect({ code: ran.code, findings: (ran.json as { findings: unknown[] }).findings }).toEqual({ code: 0, findings: [] })
    }
  })
})
