/** examples/laptop, as far as it can be checked without a container runtime. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readDocuments } from '../../src/adapters/yaml/documents.ts'
import { lint } from '../../src/core/lint/lint.ts'

const FOLDER = join(import.meta.dirname, '../../examples/laptop')
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8')
const documents = (file: string) => readDocuments(file, file, read(file))

describe('the script for a laptop', () => {
  it('is valid bash', () => {
    expect(() => execFileSync('bash', ['-n', join(FOLDER, 'up.sh')])).not.toThrow()
  })

  it.each(['a', 'b'])('installs Istio in cluster %s with settings that lint accepts', (cluster) => {
    expect(lint([documents(`istio-${cluster}.yaml`)], { now: new Date() }).findings).toEqual([])
  })

  it('gives each mesh a trust domain, pods and services of its own', () => {
    const values = (file: string, key: string) => [new RegExp(`${key}: (\\S+)`).exec(read(file))?.[1]]
    for (const [file, key] of [
      ['istio', 'trustDomain'],
      ['istio', 'clusterName'],
      ['kind', 'podSubnet'],
      ['kind', 'serviceSubnet'],
    ]) {
      const both = ['a', 'b'].flatMap((cluster) => values(`${file}-${cluster}.yaml`, key ?? ''))
      expect(new Set(both).size).toBe(2)
      expect(both).not.toContain(undefined)
    }
  })
})
