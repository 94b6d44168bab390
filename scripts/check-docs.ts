/**
 * Checks that a line of Markdown prose has at most 120 characters, so that a diff shows the sentence that changed. Lines
 * that cannot be broken (code, tables, headings, a single long word) may be longer. Prints each breach and exits 1.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const WIDTH = 120
const UNBROKEN = /^( {4}|\s*(\||#|<|\[[^\]]+\]:))/

const inFolder = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file))

function tooLong(file: string): readonly string[] {
  let code = false
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      if (/^\s*(```|~~~)/.test(line)) code = !code
      const words = line
        .trim()
        .replace(/^([-*>]|\d+\.) /, '')
        .replaceAll(/`[^`]*`/g, 'code')
        .split(' ')
      return code || line.length <= WIDTH || UNBROKEN.test(line) || words.length === 1
        ? []
        : [`${file}:${index + 1}: ${line.length} characters`]
    })
}

const files = ['README.md', 'CHANGELOG.md', ...['docs', 'examples', 'test'].flatMap(inFolder)].filter((file) => file.endsWith('.md'))
const breaches = files.flatMap(tooLong)
for (const line of breaches) console.error(line)
console.log(`docs: ${files.length} files, ${breaches.length} ${breaches.length === 1 ? 'line' : 'lines'} of more than ${WIDTH} characters`)
process.exitCode = breaches.length > 0 ? 1 : 0
