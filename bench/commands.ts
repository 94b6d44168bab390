/** Commands that are timed from outside, and what is waited for meanwhile. */
import { spawn } from 'node:child_process'
import { median } from './measure.ts'

const PATIENCE_MS = 20_000

/** As fast as it can be asked. @throws Error after 20 s */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await holds())) if (performance.now() > end) throw new Error(`waited ${PATIENCE_MS} ms in vain`)
}

/** Milliseconds, for people. */
export const row = (name: string, values: readonly number[]): string =>
  `${name}   median ${median(values).toFixed(0)} ms, from ${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`

/** @param heard gets what it says on stderr and on stdout. @throws Error when it fails */
export function run(command: string, args: readonly string[], kubeconfig: string, heard: (text: string) => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, KUBECONFIG: kubeconfig }, stdio: ['ignore', 'pipe', 'pipe'] })
    const started = performance.now()
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000)
      heard(chunk.toString())
      if (process.env.BENCH_LINES)
        for (const line of chunk.toString().split('\n').filter(Boolean))
          console.error(`${(performance.now() - started).toFixed(0).padStart(6)} ${line}`)
    })
    child.stdout.on('data', (chunk: Buffer) => heard(chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')}: exit ${code}\n${said}`))))
  })
}

/** The file that every bench begins with. @param trusts in flow style, `{ truster: … }` */
export const federation = (...trusts: readonly string[]): string => `apiVersion: entente.dev/v1alpha1
kind: Federation
metadata: { name: bench }
spec:
  members:
    - { name: cluster-a, trustDomain: cluster-a.example, cluster: { context: cluster-a } }
    - { name: cluster-b, trustDomain: cluster-b.example, cluster: { context: cluster-b } }
  trust: [${trusts.join(', ')}]
`
