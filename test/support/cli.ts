/** The built command line, run as users run it: a process of its own, without a terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = path.resolve(import.meta.dirname, '../../dist/cli/main.js')
/** Every command of a test ends sooner; one that hangs fails its test and does not block the suite. */
const TIMEOUT_MS = 100_000

export interface Ran {
  /** Exit code; -1 when a signal ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** stdout as JSON; undefined if it is not JSON. */
  readonly json: unknown
}

export interface CliOptions {
  /** Its working directory, where the command looks for `federation.yaml`. */
  readonly cwd: string
  readonly kubeconfig: string
  /** Written to its standard input, which then ends. */
  readonly input?: string
  /** How far its clock is ahead of that of this machine. */
  readonly aheadMs?: number
  /** For commands that wait on purpose; others count as hung after the default. */
  readonly timeoutMs?: number
}

export const cli = (args: readonly string[], options: CliOptions): Promise<Ran> => startCli(args, options).ended

export function startCli(args: readonly string[], { cwd, kubeconfig, input, aheadMs, timeoutMs }: CliOptions): Running {
  const env = { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: '1', ...(aheadMs && { NODE_OPTIONS: `--import ${clock(aheadMs)}` }) }
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env })
  child.stdin.on('error', () => {}) // it need not read it
  child.stdin.end(input)
  return new Running(child, timeoutMs)
}

/** A module that sets the clock of a process ahead; the process must import it first. */
function clock(aheadMs: number): string {
  const later = `const Then = Date
globalThis.Date = class extends Then {
  constructor(...given) { given.length > 0 ? super(...given) : super(Then.now() + ${aheadMs}) }
  static now() { return Then.now() + ${aheadMs} }
}`
  return `data:text/javascript,${encodeURIComponent(later)}`
}

/** A command under way. */
export class Running {
  readonly ended: Promise<Ran>
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess
  #over = false

  constructor(child: ChildProcess, timeoutMs = TIMEOUT_MS) {
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString('utf8')))
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString('utf8')))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => {
        clearTimeout(timer)
        this.#over = true
        resolve({ code: code ?? -1, stdout: this.stdout, stderr: this.stderr, json: parse(this.stdout) })
      })
    })
  }

  get over(): boolean {
    return this.#over
  }

  /** Waits until it says this on stderr. @throws Error when it ends without */
  async says(words: string | RegExp): Promise<void> {
    while (!this.stderr.match(words)) {
      if (this.#over) throw new Error(`it ended without saying ${words}: ${this.stderr}`)
      await sleep(5)
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
