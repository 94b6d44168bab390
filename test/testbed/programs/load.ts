/** Carries out a LoadOrder (load.ts), given as JSON in the first argument; prints one Sample per line. Ends when its standard input does. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import type { LoadOrder, Sample } from '../load.ts'

const order = JSON.parse(process.argv[2] ?? '') as LoadOrder
const REQUEST_TIMEOUT_MS = 5_000
/** Of what a proxy says in the place of the server. */
const MOST_WORDS = 200
const agent = order.keepAlive ? new Agent({ keepAlive: true, maxSockets: 1 }) : new Agent()

const print = (sample: Sample): boolean => process.stdout.write(`${JSON.stringify(sample)}\n`)
const target = { host: order.address, port: order.port, path: order.path, headers: { host: order.host }, agent }

let pending = 0
let ending = false
const leaveWhenDone = (): void => {
  if (ending && pending === 0) process.exit(0)
}

const run = { requests, stream, echo }[order.kind]
const stop = run()
process.stdin.resume().on('end', end)
setTimeout(end, order.maxMs).unref()

function end(): void {
  ending = true
  stop()
  leaveWhenDone()
}

function requests(): () => void {
  const timer = setInterval(once, order.everyMs)
  return () => clearInterval(timer)
}

function once(): void {
  const at = Date.now()
  pending += 1
  let told = false
  const done = (status: number, error?: string): void => {
    if (told) return // an aborted answer is told twice
    told = true
    print({ at, status, ms: Date.now() - at, ...(error !== undefined && { error }) })
    pending -= 1
    leaveWhenDone()
  }
  const sent = request(target, (response) => {
    const { statusCode = 0 } = response
    let words = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      if (statusCode >= 500) words = (words + text).slice(0, MOST_WORDS)
    })
    response.on('end', () => done(statusCode, words === '' ? undefined : words))
    response.on('aborted', () => done(0, 'aborted'))
  })
  sent.setTimeout(REQUEST_TIMEOUT_MS, () => sent.destroy(new Error('timeout')))
  sent.on('error', (error) => done(0, error.message))
  sent.end()
}

/** The first sample says that data flows, the last one how it ended. */
function stream(): () => void {
  const at = Date.now()
  const ended = (status: number, error: string): void => void print({ at: Date.now(), status, ms: Date.now() - at, error })
  const answered = (response: IncomingMessage): void => {
    const status = response.statusCode ?? 0
    if (status === 200) response.once('data', () => print({ at: Date.now(), status, ms: Date.now() - at }))
    response.resume().on('close', () => ended(status, response.complete ? 'ended by the server' : 'cut'))
  }
  const sent = request(target, answered).on('error', (error) => ended(0, error.message))
  sent.end()
  return () => sent.destroy()
}

function echo(): () => void {
  const at = Date.now()
  const socket = connect(order.port, order.address)
  const timer = setInterval(() => socket.write('x'), order.everyMs)
  socket.once('data', () => print({ at: Date.now(), status: 200, ms: Date.now() - at }))
  socket.on('data', () => {})
  socket.on('error', () => {}) // 'close' follows
  socket.on('close', (failed) => {
    clearInterval(timer)
    print({ at: Date.now(), status: 0, ms: Date.now() - at, error: failed ? 'cut' : 'ended by the server' })
  })
  return () => {
    clearInterval(timer)
    socket.destroy()
  }
}
