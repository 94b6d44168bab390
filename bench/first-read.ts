/** Reads a PEM bundle once, in a process that has read none: its processor time in milliseconds, as a command spends it. Run by bundles.ts, compiled. */
import { readFileSync } from 'node:fs'
import { parseBundle } from '../src/core/spiffe/parse-bundle.ts'
import { parseTrustDomain } from '../src/core/spiffe/trust-domain.ts'

const [file = '', now = ''] = process.argv.slice(2)
const [bytes, domain] = [readFileSync(file), parseTrustDomain('bench.example')]
const before = process.cpuUsage()
const { anchors } = parseBundle(domain, bytes, { now: new Date(now) })
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ roots: anchors.length, milliseconds: (user + system) / 1000 }))
