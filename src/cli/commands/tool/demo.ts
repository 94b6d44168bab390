/** `demo`: two certificate authorities, a federation, and the calls that it accepts and rejects. Needs nothing but Node. */
import type { DemoOptions } from '../../../demo/demo.ts'
import type { Io, Output } from '../../io.ts'
import { json } from '../../print/screen.ts'
import { demoView, endText, INTRODUCTION, stepText } from '../../print/tool/demo-text.ts'

export interface DemoCommandOptions extends Pick<DemoOptions, 'story'> {
  readonly out?: string
  readonly output: Output
}

/** @returns 0 if every check passed, else 1 */
export async function run(
  { out: directory = 'entente-demo', output, ...options }: DemoCommandOptions,
  { print, report, color, now }: Pick<Io, 'print' | 'report' | 'color' | 'now'>,
): Promise<number> {
  const { demo } = await import('../../../demo/demo.ts')
  const telling: Pick<DemoOptions, 'begin' | 'report'> =
    output === 'json' ? {} : { begin: () => print(INTRODUCTION), report: (number, demoStep) => print(stepText(number, demoStep, color)) }
  const played = await demo({ directory, now, ...telling, ...options })
  print(output === 'json' ? json(demoView(played, directory)) : endText(played, directory))
  if (!played.ok) report('A check failed: see the lines with ✗.')
  return played.ok ? 0 : 1
}
