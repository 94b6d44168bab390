/** `demo`: two certificate authorities, a federation, and the calls that it lets through and refuses. Needs nothing but Node. */
import type { Io, Output } from '../../io.ts'

export interface DemoCommandOptions {
  readonly out?: string
  readonly output: Output
}

/** @returns 0 when all came as expected, else 1 */
export async function run(
  { out = 'entente-demo', output }: DemoCommandOptions,
  io: Pick<Io, 'print' | 'tell' | 'color' | 'now'>,
): Promise<number> {
  const { demo } = await import('../../../demo/demo.ts')
  const ok = await demo({ directory: out, output, color: io.color, print: io.print, now: io.now })
  if (!ok) io.tell('Something came otherwise than expected: see the lines with ✗.')
  return ok ? 0 : 1
}
