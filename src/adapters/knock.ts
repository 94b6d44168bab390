/** Probes a gateway once: TCP, and TLS with the name that proxies would use. It sends nothing through the connection. */
import { connect as dial, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { clip } from '../core/basics/clip.ts'
import { groupBy } from '../core/basics/group-by.ts'
import type { Probe, Probed } from '../core/doctor/seen.ts'
import { at, text } from '../core/model/manifest.ts'
import { chainOf } from './istiod/presented.ts'
import { limit } from './limit.ts'

const CONNECT_MS = 3_000
const HANDSHAKE_MS = 5_000
/** The ALPN protocols between sidecars: a PERMISSIVE listener detects mutual TLS by them. */
const ALPN = ['istio']

/** The maximal number of probed gateways, even if a member names thousands. */
const MOST_OF_MEMBER = 64
const AT_ONCE = 16

/** Probes all of them, a few at once. */
export async function knockAll(probes: readonly Probe[]): Promise<readonly Probed[]> {
  const few = [...groupBy(probes, ({ to }) => to).values()].flatMap((some) => some.slice(0, MOST_OF_MEMBER))
  const atOnce = limit(AT_ONCE)
  return Promise.all(few.map((probe) => atOnce(() => knock(probe))))
}

export async function knock(probe: Probe, nowMs: () => number = () => performance.now()): Promise<Probed> {
  const began = nowMs()
  const opened = await open(probe)
  const milliseconds = Math.round(nowMs() - began)
  if (!opened.ok)
    return { probe, connected: false, refused: text(at(opened.cause, 'code')) === 'ECONNREFUSED', milliseconds, why: said(opened.cause) }
  const base = { probe, connected: true, refused: false, milliseconds }
  if (probe.sni === undefined) {
    opened.socket.destroy()
    return base
  }
  const chain = await handshake(opened.socket, probe.sni)
  return chain.ok ? { ...base, chain: chain.value } : { ...base, why: said(chain.cause) }
}

type Opened = { readonly ok: true; readonly socket: Socket } | { readonly ok: false; readonly cause: unknown }

function open({ address, port }: Probe): Promise<Opened> {
  return new Promise((resolve) => {
    const socket = dial({ host: address, port })
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${CONNECT_MS / 1000} s`)), CONNECT_MS)
    socket.once('error', (cause) => {
      clearTimeout(timer)
      resolve({ ok: false, cause })
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve({ ok: true, socket })
    })
  })
}

type Chain = { readonly ok: true; readonly value: readonly Uint8Array[] } | { readonly ok: false; readonly cause: unknown }

/**
 * Entente sends no certificate: the server sends its own before it rejects the connection. The caller evaluates the
 * server's certificate.
 */
function handshake(socket: Socket, servername: string): Promise<Chain> {
  return new Promise((resolve) => {
    const secure = connect({ socket, servername, ALPNProtocols: ALPN, ca: [], rejectUnauthorized: false })
    const done = (result: Chain): void => {
      clearTimeout(timer)
      resolve(result)
      secure.destroy()
      socket.destroy()
    }
    const timer = setTimeout(() => done({ ok: false, cause: new Error(`no TLS handshake within ${HANDSHAKE_MS / 1000} s`) }), HANDSHAKE_MS)
    secure.on('error', (cause) => done({ ok: false, cause }))
    socket.on('error', (cause) => done({ ok: false, cause }))
    secure.once('close', () => done({ ok: false, cause: new Error('the connection was closed') }))
    secure.once('secureConnect', () => done({ ok: true, value: chainOf(secure) }))
  })
}

const said = (cause: unknown): string => clip(cause instanceof Error ? cause.message : String(cause), 200)
