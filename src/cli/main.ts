#!/usr/bin/env node
/** The composition root: process, console and clock are touched here and nowhere else. */
import { createReadStream, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { CommanderError } from 'commander'
import { FederationError } from '../core/errors.ts'
import { confirm } from './confirm.ts'
import { errorText } from './error-text.ts'
import type { Io } from './io.ts'
import { program } from './program.ts'
import { plain, show, stacked } from './screen.ts'

const USAGE = 64
/** A bundle or a chain; nothing that is read whole is larger. */
const MAX_BYTES = 64 * 1024 * 1024

let interrupts = 0

/** kubectl runs `kubectl_complete-entente WORD…` at a press of Tab after `kubectl entente`. */
const asked = basename(process.argv[1] ?? '').startsWith('kubectl_complete-')
const argv = asked ? ['__complete', '--', ...process.argv.slice(2)] : process.argv.slice(2)

const color = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb' && !argv.includes('--no-color')

const io: Io = {
  print: (text) => void process.stdout.write(`${plain(text)}\n`),
  tell: (text) => void process.stderr.write(`${plain(text)}\n`),
  interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  color,
  ...(process.stdout.isTTY ? { columns: process.stdout.columns } : {}),
  now: () => new Date(),
  env: process.env,
  confirm: (question) => confirm(process.stdin, process.stderr, plain(question)),
  readFile: readCapped,
  stopped: () => interrupts > 0,
}

/** `-` is stdin. */
async function readCapped(path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    const stream = path === '-' ? process.stdin : createReadStream(path)
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length
      if (bytes > MAX_BYTES) throw new FederationError('file-unreadable', path, `is larger than ${MAX_BYTES / 1024 / 1024} MiB`)
      chunks.push(chunk as Buffer)
    }
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    const message =
      (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (cause as Error).message.replace(/,.*/, '')
    throw new FederationError('file-unreadable', path, message, { cause })
  }
  return Buffer.concat(chunks)
}

function tellError(thrown: unknown): number {
  if (thrown instanceof FederationError) {
    io.tell(errorText(thrown))
    return thrown.code === 'usage' ? USAGE : 1
  }
  io.tell(
    show`error internal: ${thrown instanceof Error ? thrown.message : String(thrown)}\n  next: this is a bug of ours; please report it with the command you ran (ENTENTE_DEBUG=1 shows where)`,
  )
  if (process.env.ENTENTE_DEBUG && thrown instanceof Error) io.tell(stacked((thrown.stack ?? '').split('\n')))
  return 1
}

const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version

process.on('SIGINT', () => {
  interrupts += 1
  if (interrupts > 1) process.exit(130)
  io.tell('Stopping at the next safe point; ^C again stops at once. What is done stays done, and apply goes on from there.')
})
// Somebody stopped reading, as in `entente plan | head`: that is no error of ours.
process.stdout.on('error', (cause: NodeJS.ErrnoException) => process.exit(cause.code === 'EPIPE' ? 0 : 1))

try {
  await program(io, version(), async (code) => {
    process.exitCode = await code
  }).parseAsync(argv, { from: 'user' })
} catch (thrown) {
  process.exitCode = thrown instanceof CommanderError ? (thrown.exitCode === 0 ? 0 : USAGE) : tellError(thrown)
}
