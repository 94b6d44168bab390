/** `entente demo`: the main job, with nothing but Node. */
import { prepare } from './folder.ts'
import { productIn } from './product.ts'
import { makeScene } from './scene.ts'
import { type Act, STORY } from './story.ts'
import { hasFailed, type Told } from './told.ts'

export interface DemoOptions {
  readonly directory: string
  readonly now: () => Date
  /** Called once the directory is ready, before the first step. */
  readonly begin?: () => void
  /** Called after each step, with its number. */
  readonly tell?: (number: number, told: Told) => void
  readonly story?: readonly Act[]
}

export interface Played {
  /** Whether all came as expected. */
  readonly ok: boolean
  readonly steps: readonly Told[]
  readonly seconds: number
}

/** @throws FederationError file-unwritable when the directory holds something else */
export async function demo({ directory, now, begin, tell, story = STORY }: DemoOptions): Promise<Played> {
  const begun = now()
  await prepare(directory)
  begin?.()
  const stage = { scene: await makeScene(directory, now), entente: productIn(directory, now) }
  const steps: Told[] = []
  for (const act of story) {
    const told = await act(stage)
    steps.push(told)
    tell?.(steps.length, told)
  }
  return { ok: !steps.some(hasFailed), steps, seconds: (now().getTime() - begun.getTime()) / 1000 }
}
