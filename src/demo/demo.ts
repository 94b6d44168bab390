/** `entente demo`: the main job, with nothing but Node. */
import { join, relative, resolve } from 'node:path'
import { document, indented, json, type Shown, show } from '../cli/print/screen.ts'
import { table } from '../cli/print/text.ts'
import { prepare } from './folder.ts'
import { productIn } from './product.ts'
import { makeScene } from './scene.ts'
import { type Act, STORY } from './story.ts'
import { hasFailed, type Told, toldText } from './told.ts'

export interface DemoOptions {
  readonly directory: string
  readonly output: 'text' | 'json'
  readonly color: boolean
  readonly print: (text: Shown | string) => void
  readonly now: () => Date
  readonly story?: readonly Act[]
}

/**
 * @returns whether all came as expected
 * @throws FederationError file-unwritable when the directory holds something else
 */
export async function demo({ directory, output, color, print, now, story = STORY }: DemoOptions): Promise<boolean> {
  const begun = now()
  await prepare(directory)
  const text = output === 'text'
  if (text) print(document(INTRODUCTION))
  const stage = { scene: await makeScene(directory, now), entente: productIn(directory, now) }
  const steps: Told[] = []
  for (const act of story) {
    const told = await act(stage)
    steps.push(told)
    if (text) print(toldText(steps.length, told, color))
  }
  const ok = !steps.some(hasFailed)
  const seconds = (now().getTime() - begun.getTime()) / 1000
  print(text ? endText(steps, directory, seconds) : json(view(steps, ok, directory)))
  return ok
}

const INTRODUCTION = `Entente demo: two meshes that keep their own root CAs, and calls between their workloads.
The trust is made by Entente's own commands, on files. The certificate authorities and the workloads, which talk real
TLS (Node, OpenSSL) on 127.0.0.1, are the demo's; they trust what the written manifests say, and nothing else.
`

function endText(steps: readonly Told[], directory: string, seconds: number): Shown {
  const checks = steps.flatMap((step) => step.checks)
  const failed = checks.filter(({ ok }) => !ok).length
  const within = relative('', directory)
  const here = within === '' ? '.' : within.startsWith('..') ? resolve(directory) : within
  const verdict =
    failed === 0 ? `All ${checks.length} checks came as expected` : `✗ ${failed} of ${checks.length} checks did not come as expected`
  const next = [
    [join(here, 'federation.yaml'), 'who trusts whom, as an owner writes it'],
    [join(here, 'clusters/a/20-open'), 'what proxies of cluster-a get: roots, each bound to its trust domain'],
    [`entente audit log -f ${join(here, 'federation.yaml')}`, 'who did what, when and why'],
    [`entente audit verify -f ${join(here, 'tampered/cut/federation.yaml')}`, 'how a record that was cut is found'],
    ['entente init --context A --context B', 'the same for two clusters of yours'],
  ]
  return show`${verdict}, in ${seconds.toFixed(1)} s. The files are in ${here}. To look at next:\n\n${indented(table(next), '   ')}`
}

const view = (steps: readonly Told[], ok: boolean, directory: string) => ({
  ok,
  directory: resolve(directory),
  steps: steps.map(({ title, checks }, i) => ({
    step: i + 1,
    title,
    ok: checks.every((one) => one.ok),
    checks: checks.map(({ what, expected, got, ok: same }) => ({ what, expected, got, ok: same })),
  })),
})
