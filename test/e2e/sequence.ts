/** Files that ask the same of a bed run one after the other, so that one bed serves them (`Bed.shared`). */
import { readFileSync } from 'node:fs'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export default class ByBed extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const keyed = files.map((file) => ({ file, key: `${askedBy(file.moduleId)} ${file.moduleId}` }))
    return keyed.sort((one, other) => (one.key < other.key ? -1 : 1)).map(({ file }) => file)
  }
}

/** Of a file that starts beds of its own: '~', the last. */
function askedBy(file: string): string {
  const [, options] = /Bed\.shared\(\{(.*)\}\)/.exec(readFileSync(file, 'utf8')) ?? []
  return options ?? '~'
}
