import { describe, expect, it } from 'vitest'
import type { Io } from '../io.ts'
import { program } from '../program.ts'
import { candidates } from './candidates.ts'

const root = program({} as Io, '0.0.0', async () => {})
const names = { members: async () => ['cluster-a', 'cluster-b'], contexts: async () => ['kind-a', 'kind-b'] }
const offered = async (...typed: string[]) => {
  const { words, files } = await candidates(root, typed, names)
  return { words: words.map(({ word }) => word), files }
}

describe('shell completion', () => {
  it.each([
    { typed: ['app'], words: ['apply', 'approve'] },
    { typed: ['bundle', ''], words: ['inspect', 'convert', 'fetch', 'help'] },
    { typed: ['bundle', 'convert', 'x.pem', '--to', ''], words: ['pem', 'spiffe'] },
    { typed: ['init', '--context', 'kind-a', '--context', ''], words: ['kind-a', 'kind-b'] },
    { typed: ['approve', ''], words: ['cluster-a', 'cluster-b'] },
    { typed: ['approve', '--reason', 'new root', 'cluster-b'], words: ['cluster-b'] },
    { typed: ['sever', 'cluster-b', ''], words: ['cluster-a', 'cluster-b'] },
    { typed: ['sever', '--yes', 'cluster-b', '--', ''], words: ['cluster-a', 'cluster-b'] },
    { typed: ['sever', 'cluster-b', 'cluster-a', ''], words: [] },
    { typed: ['approve', 'cluster-a', '--finger'], words: ['--fingerprint'] },
    { typed: ['completion', ''], words: ['bash', 'zsh', 'fish'] },
    { typed: ['__comp'], words: [] },
    { typed: ['apply', '--reason', ''], words: [] },
  ])('offers after $typed: $words', async ({ typed, words }) => {
    expect((await offered(...typed)).words.sort()).toEqual(words.sort())
  })

  it.each([
    { typed: ['bundle', 'inspect', ''], files: true },
    { typed: ['plan', '-f', ''], files: true },
    { typed: ['chain', 'verify', '--trusted', ''], files: true },
    { typed: ['approve', ''], files: false },
    { typed: ['apply', '--reason', ''], files: false },
  ])('offers file names after $typed: $files', async ({ typed, files }) => {
    expect((await offered(...typed)).files).toBe(files)
  })
})
