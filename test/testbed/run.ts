/** Short-lived commands: run one, get its output, or an error that quotes the end of its output. */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RunOptions {
  readonly input?: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds until the command is killed. */
  readonly timeoutMs?: number
}

export interface Outcome {
  /** Exit code; -1 when a signal (our timeout, for one) ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Output beyond this is cut: nothing the bed runs is meant to say more. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024

/** Runs a command to its end, whatever its exit code. */
export function outcome(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env } })
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, stdout: stdout(), stderr: stderr() })
    })
    child.stdin.on('error', () => {}) // it may end before it has read its input: its exit code reports that
    child.stdin.end(options.input)
  })
}

/** Runs a command that must succeed. @returns its standard output */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await outcome(command, args, options)
  if (result.code !== 0) {
    throw new Error(`${command} ${args.slice(0, 6).join(' ')}: exit ${result.code}: ${lastLines(result.stderr || result.stdout, 12)}`)
  }
  return result.stdout
}

/** The awaited event can no longer happen: `until` gives up at once. */
export class Hopeless extends Error {}

/** Asks until the answer is neither undefined nor false. A question that throws is asked again; its last error is the cause. */
export async function until<T>(
  what: string,
  question: () => Promise<T | undefined | false>,
  timeoutMs = 60_000,
  everyMs = 100,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let cause: unknown
  while (Date.now() < deadline) {
    try {
      const answer = await question()
      if (answer !== undefined && answer !== false) return answer
      cause = undefined
    } catch (error) {
      if (error instanceof Hopeless) throw error
      cause = error
    }
    await sleep(everyMs)
  }
  const because = cause instanceof Error ? `: ${cause.message}` : ''
  throw new Error(`gave up after ${timeoutMs / 1000} s waiting for ${what}${because}`, { cause })
}

export const lastLines = (text: string, count: number): string => text.trimEnd().split('\n').slice(-count).join('\n')

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString('utf8')
}
