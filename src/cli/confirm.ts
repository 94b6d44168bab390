/** Asks the person at the terminal a question. */
import { createInterface } from 'node:readline/promises'

/** True for `y` and `yes`. ^C and the end of the input are no consent. */
export async function confirm(input: NodeJS.ReadableStream, output: NodeJS.WritableStream, question: string): Promise<boolean> {
  const terminal = createInterface({ input, output })
  terminal.once('SIGINT', () => terminal.close())
  let answered = false
  try {
    const gone = new Promise<string>((resolve) => void terminal.once('close', () => resolve('')))
    const answer = await Promise.race([terminal.question(`${question} [y/N] `).catch(() => ''), gone])
    answered = answer !== ''
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
    if (!answered) output.write('\n')
  }
}
