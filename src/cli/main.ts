#!/usr/bin/env node
/** The composition root: only this file uses the process, the console and the clock. */
import { setMaxListeners } from 'node:events'
import { basename } from 'node:path'
import { CommanderError } from 'commander'
import { FederationError } from '../core/diagnostics/errors.ts'
import { confirm } from './confirm.ts'
import { lookOf, wantsJson } from './console.ts'
import { readInput } from './input/read-input.ts'
import type { Io } from './io.ts'
import { errorText, report, reportBug } from './print/error-text.ts'
import { fitted } from './print/layout/wrap.ts'
import { plain, stacked } from './print/screen.ts'
import { program } from './program.ts'
import { settled } from './settle.ts'
import { VERSION } from './version.ts'

const USAGE = 64

/** The signal that asked the process to stop, if any. */
let asked: 'SIGINT' | 'SIGTERM' | undefined
/** Until then current work may still finish; after it no member is waited for. */
const GRACE_MS = 500
/** A signal ends the process within a second, whatever it does. */
const LAST_MS = 900
const exitCodeOf = (signal: 'SIGINT' | 'SIGTERM'): number => (signal === 'SIGINT' ? 130 : 143)
const stop = new AbortController()
// One observation has many calls, and each adds a listener.
setMaxListeners(0, stop.signal)

/** kubectl runs `kubectl_complete-entente WORD…` at a press of Tab after `kubectl entente`. */
const completing = basename(process.argv[1] ?? '').startsWith('kubectl_complete-')
const argv = completing ? ['__complete', '--', ...process.argv.slice(2)] : process.argv.slice(2)

const out = lookOf(argv, process.env, process.stdout)
const err = lookOf(argv, process.env, process.stderr)

const io: Io = {
  ...out,
  json: wantsJson(argv),
  print: (text) => void process.stdout.write(`${fitted(text, out.columns)}\n`),
  report: (text) => void process.stderr.write(`${fitted(text, err.columns)}\n`),
  interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  now: () => new Date(),
  env: process.env,
  confirm: (question) => confirm(process.stdin, process.stderr, plain(question)),
  readFile: readInput,
  stopped: () => asked !== undefined,
  stop: stop.signal,
}

function reportError(thrown: unknown): number {
  if (thrown instanceof FederationError) {
    report(thrown, io)
    if (thrown.code === 'interrupted' && asked !== undefined) return exitCodeOf(asked)
    return thrown.code === 'usage' ? USAGE : 1
  }
  reportBug(thrown, io)
  if (process.env.ENTENTE_DEBUG && thrown instanceof Error) io.report(stacked((thrown.stack ?? '').split('\n')))
  return 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (asked !== undefined) process.exit(exitCodeOf(signal))
    asked = signal
    io.report('Stopping at the next safe point, within a second. Completed steps stay; run entente apply to continue.')
    setTimeout(() => stop.abort(), GRACE_MS).unref()
    setTimeout(() => process.exit(exitCodeOf(signal)), LAST_MS).unref()
  })
// An error that no code caught is printed as an internal error and ends the process, because its state is unknown.
process.on('uncaughtException', (thrown) => {
  process.exit(reportError(thrown))
})
// The reader closed the pipe, as in `entente plan | head`: that is no error.
process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code === 'EPIPE') process.exit(0)
  io.report(errorText(new FederationError('file-unwritable', 'standard output', cause.message)))
  process.exit(1)
})

try {
  await settled(
    program(io, VERSION, async (code) => {
      process.exitCode = await code
    }).parseAsync(argv, { from: 'user' }),
  )
} catch (thrown) {
  process.exitCode = thrown instanceof CommanderError ? (thrown.exitCode === 0 ? 0 : USAGE) : reportError(thrown)
}
