/** `entente demo`: shows the main use of Entente, with nothing but Node. */

import { type DemoStep, hasFailed } from './demo-step.ts'
import { prepare } from './folder.ts'
import { productIn } from './product.ts'
import { makeScene } from './scene.ts'
import { type Act, STORY } from './story.ts'

export interface DemoOptions {
  readonly directory: string
  readonly now: () => Date
  /** Called when the directory is ready, before the first step. */
  readonly begin?: () => void
  /** Called after each step, with its number. */
  readonly report?: (number: number, demoStep: DemoStep) => void
  readonly story?: readonly Act[]
}

export interface Played {
  /** True if every check passed. */
  readonly ok: boolean
  readonly steps: readonly DemoStep[]
  readonly seconds: number
}

/** @throws FederationError file-unwritable if the directory holds something else */
export async function demo({ directory, now, begin, report, story = STORY }: DemoOptions): Promise<Played> {
  const begun = now()
  await prepare(directory)
  begin?.()
  const stage = { scene: await makeScene(directory, now), entente: productIn(directory, now) }
  const steps: DemoStep[] = []
  for (const act of story) {
    const demoStep = await act(stage)
    steps.push(demoStep)
    report?.(steps.length, demoStep)
  }
  return { ok: !steps.some(hasFailed), steps, seconds: (now().getTime() - begun.getTime()) / 1000 }
}
