/** How istiod reads root files when it starts: one bad entry of caCertificates breaks its next restart. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDocument } from 'yaml'
import { at, text } from '../../src/core/model/manifest.ts'
import { inspect } from '../../src/core/spiffe/inspect.ts'
import { printPem } from '../../src/core/x509/pem.ts'
import { acceptedRoots, refusedFiles } from '../support/root-files.ts'
import { Bed } from '../testbed/bed.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const MESH = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'istio-system', name: 'istio' }
let bed: Bed
let plain: string

beforeAll(async () => {
  bed = await Bed.shared({ multiroot: true, progress: (line) => console.log(line) })
  plain = text(at(await bed.b.kube.get(MESH), 'data', 'mesh'))
})
afterAll(() => bed?.giveBack())

/** Restarts istiod with these texts as entries of caCertificates. */
async function startWith(pems: readonly string[]): Promise<void> {
  const document = parseDocument(plain)
  document.set(
    'caCertificates',
    pems.map((pem) => ({ pem })),
  )
  await bed.b.kube.patch(MESH, { data: { mesh: document.toString() } })
  await bed.b.istiod.restart()
}

const accepted = await acceptedRoots()
const refused = await refusedFiles()

describe('istiod', () => {
  it('starts with one root of each kind that Entente accepts', async () => {
    for (const { der } of accepted) expect(inspect(Buffer.from(printPem(der)), { now: NOW }).verdict).toBe('accept')
    await startWith(accepted.map(({ der }) => printPem(der)))
  })

  // Joined lines and the byte order mark we repair, and never pass on as they came.
  it.each(
    refused.filter(({ name, istiod }) => !istiod && ['only a leaf', 'v1', 'a negative serial', 'joined armour lines'].includes(name)),
  )('does not start with $name', async ({ text: file }) => {
    const { verdict, findings } = inspect(Buffer.from(file), { now: NOW })
    expect(verdict === 'reject' || findings.length > 0).toBe(true)
    await expect(startWith([file])).rejects.toThrow(/istiod-b ended/)
  })

  it('starts again without it', async () => {
    await startWith([])
  })
})
