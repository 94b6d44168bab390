/** The demo, step by step: as text for people, or as one JSON for programs. */

import { join, relative, resolve } from 'node:path'
import type { View } from '../../../core/view/schemas.ts'
import { documented } from '../../../core/view/versioned.ts'
import type { Played } from '../../../demo/demo.ts'
import type { DemoStep } from '../../../demo/demo-step.ts'
import { document, indented, type Shown, show, stacked } from '../screen.ts'
import { painter } from '../text.ts'

export const INTRODUCTION = document(`Entente demo: two meshes that keep their own root CAs, and calls between their
workloads. Entente's own commands make the trust, on files. The certificate
authorities and the workloads are the demo's. The workloads make real TLS
connections (Node, OpenSSL) on 127.0.0.1. They trust what the written manifests
say, and nothing else.
`)

const INDENT = '   '

export function stepText(number: number, { title, commands, lines, checks, meaning }: DemoStep, color = false): Shown {
  const paint = painter(color)
  const width = Math.max(0, ...checks.map(({ what }) => what.length))
  const checked = checks.flatMap(({ what, expected, got, ok, details }) => [
    show`${ok ? paint('green', '✓') : paint('red', '✗')} ${what.padEnd(width)}   ${got}${ok ? '' : paint('red', `   expected: ${expected}`)}`,
    ...details.map((detail) => show`${' '.repeat(width + 5)}${paint('dim', detail)}`),
  ])
  const body = [...commands.map((line) => paint('dim', `$ ${line}`)), ...lines, ...checked, ...meaning]
  return stacked([paint('bold', `${number}. ${title}`), ...body.map((line) => (line === '' ? '' : show`${INDENT}${line}`)), ''])
}

export function endText({ steps, seconds }: Played, directory: string): Shown {
  const checks = steps.flatMap((step) => step.checks)
  const failed = checks.filter(({ ok }) => !ok).length
  const within = relative('', directory)
  const here = within === '' ? '.' : within.startsWith('..') ? resolve(directory) : within
  const verdict = failed === 0 ? `All ${checks.length} checks passed` : `✗ ${failed} of ${checks.length} checks failed`
  const next = [
    [join(here, 'federation.yaml'), 'who trusts whom, as an owner writes it'],
    [join(here, 'clusters/a/20-open'), 'the objects of cluster-a: roots, each bound to its trust domain'],
    [`entente audit log -f ${join(here, 'federation.yaml')}`, 'who did what, when and why'],
    [`entente audit verify -f ${join(here, 'tampered/cut/federation.yaml')}`, 'how Entente detects a truncated record'],
    ['entente init --context A --context B', 'the same for two of your clusters'],
  ]
  return show`${verdict}, in ${seconds.toFixed(1)} s. The files are in ${here}. Next:\n\n${indented(stacked(next.map(([command = '', what = '']) => show`${what}:\n  ${command}`)), '   ')}`
}

/** The JSON of docs/cli.md. */
export const demoView = ({ ok, steps }: Played, directory: string): View<'Demo'> =>
  documented('Demo', {
    ok,
    directory: resolve(directory),
    steps: steps.map(({ title, checks }, i) => ({
      step: i + 1,
      title,
      ok: checks.every((one) => one.ok),
      checks: checks.map(({ what, expected, got, ok: same }) => ({ what, expected, got, ok: same })),
    })),
  })
