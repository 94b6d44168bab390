/** Beside Istio's own source: what its Go code makes of a mesh config, and what lint and impact say of all its manifests. */
import path from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseMeshConfig } from '../../src/adapters/kubernetes/read/mesh-config.ts'
import { FederationError } from '../../src/core/diagnostics/errors.ts'
import { at, list, text } from '../../src/core/model/manifest.ts'
import { meshLayers, meshText } from '../support/mesh-texts.ts'
import { type MeshOpinion, startOpinion } from '../support/opinions.ts'
import { ensureBuilt } from '../testbed/build.ts'

const SEED = 20_261_201
const CASES = 2_000
let istiod: MeshOpinion

beforeAll(async () => {
  const { root, meshConfig } = await ensureBuilt((line) => console.log(line))
  istiod = startOpinion(path.join(root, meshConfig))
})
afterAll(() => istiod?.close())

/** `refused`, or what the settings about trust are. */
function ours(layers: readonly string[]): unknown {
  try {
    const { trustDomain, aliases, extraRoots, extraDomains, authorizers, autoMtls, meshId, rootNamespace, xdsAgent } = parseMeshConfig(
      'm',
      layers,
    )
    return {
      trustDomain,
      aliases: [...aliases].sort(),
      extraRoots,
      extraDomains: [...extraDomains].sort(),
      authorizers: [...authorizers].sort(),
      autoMtls,
      meshId,
      rootNamespace,
      xdsAgent,
    }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    // Stricter than Istio: SPIFFE allows no such trust domain.
    return /its trust domain .* is invalid/.test(cause.message) ? 'stricter' : 'refused'
  }
}

async function theirs(layers: readonly string[]): Promise<unknown> {
  const { mesh, error } = await istiod.ask(layers)
  if (mesh === undefined) return { refused: error }
  const roots = list(mesh.caCertificates)
  const trustDomain = text(mesh.trustDomain)
  return {
    trustDomain,
    aliases: list(mesh.trustDomainAliases).map(text).sort(),
    extraRoots: roots.length,
    extraDomains: [...new Set(roots.flatMap((root) => list(at(root, 'trustDomains')).map(text)))].sort(),
    authorizers: list(mesh.extensionProviders)
      .filter((one) => at(one, 'envoyExtAuthzHttp') !== undefined || at(one, 'envoyExtAuthzGrpc') !== undefined)
      .map((one) => text(at(one, 'name')))
      .sort(),
    autoMtls: mesh.enableAutoMtls === true,
    meshId: text(at(mesh, 'defaultConfig', 'meshId')) || trustDomain,
    rootNamespace: text(mesh.rootNamespace) || 'istio-system',
    xdsAgent: /^(1|t|true)$/i.test(text(at(mesh, 'defaultConfig', 'proxyMetadata', 'PROXY_CONFIG_XDS_AGENT'))),
  }
}

/** Of the cases: that both kinds of answer are frequent enough to compare. */
async function sameAnswers(layers: fc.Arbitrary<readonly string[]>, numRuns: number): Promise<{ readonly refused: number }> {
  let refused = 0
  await fc.assert(
    fc.asyncProperty(layers, async (texts) => {
      const [here, there] = [ours(texts), await theirs(texts)]
      if (here === 'stricter') return
      if (here === 'refused') refused += 1
      if (here === 'refused') expect(there).toHaveProperty('refused')
      else expect(here).toEqual(there)
    }),
    { seed: SEED, numRuns },
  )
  return { refused }
}

describe('a mesh config', () => {
  it('is refused where Istio refuses it, and read as Istio reads it', { timeout: 60_000 }, async () => {
    const { refused } = await sameAnswers(
      meshText.map((one) => [one]),
      CASES,
    )
    expect(refused / CASES).toBeGreaterThan(0.2)
    expect(refused / CASES).toBeLessThan(0.8)
  })

  it('in layers is the mesh config that Istio makes of them', { timeout: 60_000 }, async () => {
    expect(await sameAnswers(meshLayers, CASES / 10)).toEqual({ refused: 0 })
  })
})
