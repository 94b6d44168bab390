/**
 * Reading bundles, as ratios on this machine: 10,000 roots never seen against bare X509Certificate, the same roots known
 * against splitting and hashing, and 1 MiB of hostile input of several kinds. And the first read of a process, as a command
 * of `dist/` does it, against a Go program: compiled JavaScript, in a process of its own, processor time.
 *
 *     node --import tsx bench/bundles.ts
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { printBundle, printPemBundle } from '../src/core/spiffe/bundle.ts'
import { inspect } from '../src/core/spiffe/inspect.ts'
import { parseBundle } from '../src/core/spiffe/parse-bundle.ts'
import { parseTrustDomain } from '../src/core/spiffe/trust-domain.ts'
import type { Anchor, Fingerprint } from '../src/core/x509/anchor.ts'
import { fingerprintOf } from '../src/core/x509/fingerprint.ts'
import { makeCa } from '../test/support/ca.ts'
import { compiled } from './compiled.ts'
import { bestOf } from './measure.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const TRUST_DOMAIN = parseTrustDomain('bench.example')
const SERIAL_AT_BYTE = 20

/** Roots that differ in their serial number only: nobody checks a root's own signature, and signing 10,000 takes half a minute. */
async function manyRoots(count: number): Promise<readonly Anchor[]> {
  const { root } = await makeCa({ trustDomain: TRUST_DOMAIN })
  return Array.from({ length: count }, (_, i) => {
    const der = Uint8Array.from(root.der)
    new DataView(der.buffer).setUint32(SERIAL_AT_BYTE, i)
    return { ...root.anchor, der, fingerprint: fingerprintOf(der) }
  })
}

/** What a program that trusts its input would do. */
const split = (pem: string): Buffer[] =>
  pem.split(/-----[A-Z ]+-----/).flatMap((part) => (part.trim() === '' ? [] : Buffer.from(part, 'base64')))
const splitKeys = (jwks: Buffer): Buffer[] =>
  (JSON.parse(jwks.toString()) as { keys: { x5c: [string] }[] }).keys.map(({ x5c: [first] }) => Buffer.from(first, 'base64'))
const sha256 = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex')

function report(what: string, milliseconds: number, limit: number, against?: number): void {
  const measured = against === undefined ? milliseconds : milliseconds / against
  const ratio =
    against === undefined
      ? `${milliseconds.toFixed(0)} ms (at most ${limit} ms)`
      : `${measured.toFixed(2)}x of ${against.toFixed(0)} ms (at most ${limit}x)`
  console.log(`${measured <= limit ? 'ok  ' : 'SLOW'}  ${what.padEnd(44)} ${ratio}`)
  if (measured > limit) process.exitCode = 1
}

for (const count of [2_500, 5_000, 10_000]) {
  const anchors = await manyRoots(count)
  const bundle = { trustDomain: TRUST_DOMAIN, anchors }
  const pem = printPemBundle(bundle)
  const [pemFile, spiffeFile] = [Buffer.from(pem), Buffer.from(printBundle(bundle))]
  const known: ReadonlyMap<Fingerprint, Anchor> = new Map(anchors.map((anchor) => [anchor.fingerprint, anchor]))
  const parse = (der: Buffer): X509Certificate => new X509Certificate(der)
  const unseen = (file: Buffer): number => bestOf(() => parseBundle(TRUST_DOMAIN, file, { now: NOW }), 3)
  const again = (file: Buffer): number => bestOf(() => parseBundle(TRUST_DOMAIN, file, { now: NOW, known }), 15)
  report(
    `${count} roots never seen, PEM`,
    unseen(pemFile),
    1.5,
    bestOf(() => split(pem).map(parse), 3),
  )
  report(
    `${count} roots never seen, SPIFFE`,
    unseen(spiffeFile),
    1.6,
    bestOf(() => splitKeys(spiffeFile).map(parse), 3),
  )
  report(
    `${count} roots known, PEM`,
    again(pemFile),
    3,
    bestOf(() => split(pem).map(sha256), 15),
  )
  // More room: JSON.parse, the yardstick, does not tell a member that is there twice.
  report(
    `${count} roots known, SPIFFE`,
    again(spiffeFile),
    5,
    bestOf(() => splitKeys(spiffeFile).map(sha256), 15),
  )
}

const { root } = await makeCa({ trustDomain: TRUST_DOMAIN })
const MIB = 2 ** 20
const fill = (piece: string): string => piece.repeat(Math.ceil(MIB / piece.length)).slice(0, MIB)
const hostile: Readonly<Record<string, string>> = {
  'BEGIN lines only': fill('-----BEGIN CERTIFICATE-----\n'),
  'BEGIN without a line end': fill('-----BEGIN '),
  'END lines only': fill('-----END CERTIFICATE-----\n'),
  dashes: fill('-'),
  'the word BEGIN': fill('BEGIN '),
  'empty blocks': fill('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'),
  'joined armour': fill('-----END CERTIFICATE----------BEGIN CERTIFICATE-----'),
  'one long line of base64': fill('A'),
  'one long line of spaces': fill(' '),
  'the same root over and over': fill(root.pem),
  'nested arrays': fill('['),
  'nested objects': fill('{"a":'),
  'empty keys': `{"keys":[${fill('{},')}{}]}`,
  'repeated members': `{${fill('"keys":[],')}"keys":[]}`,
  backslashes: `{"${fill('\\')}`,
  quotes: fill('"'),
  'a long number': `{"spiffe_sequence":${fill('9')}}`,
  'DER of nested sequences': `\u0030\u0083\u000f\u0000\u0000${fill('\u0030\u0080')}`,
}
for (const [what, text] of Object.entries(hostile)) {
  const file = Buffer.from(text, 'latin1')
  report(
    `1 MiB: ${what}`,
    bestOf(() => inspect(file, { now: NOW }), 1),
    1_000,
  )
}

/** Processor time of the whole of a program that reads this many roots, the best of several runs. */
function processorTime(command: string, args: readonly string[], count: number): number {
  const runs = Array.from({ length: 5 }, () => {
    const { roots, milliseconds } = JSON.parse(execFileSync(command, args, { encoding: 'utf8' })) as { roots: number; milliseconds: number }
    if (roots !== count) throw new Error(`${command} read ${roots} roots of ${count}`)
    return milliseconds
  })
  return Math.min(...runs)
}

function firstRead(anchors: readonly Anchor[]): void {
  const directory = mkdtempSync(path.join(tmpdir(), 'entente-bench-'))
  try {
    const [file, yardstick] = [path.join(directory, 'roots.pem'), path.join(directory, 'yardstick')]
    writeFileSync(file, printPemBundle({ trustDomain: TRUST_DOMAIN, anchors }))
    if (
      spawnSync('go', ['build', '-o', yardstick, path.join(import.meta.dirname, 'first-read/main.go')], { stdio: 'inherit' }).status !== 0
    ) {
      console.log('skip  the first read of a process, beside Go: it is not installed')
      return
    }
    const ours = processorTime(process.execPath, [compiled('bench/first-read.ts'), file, NOW.toISOString()], anchors.length)
    report(`${anchors.length} roots, the first read, beside Go`, ours, 4, processorTime(yardstick, [file], anchors.length))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

firstRead(await manyRoots(10_000))
