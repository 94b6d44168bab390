/**
 * Writes src/cli/version.ts, the version of package.json as code, so that a bundled or moved build knows it without a file
 * beside it. `npm version` runs it.
 *
 *     npx tsx scripts/version.ts            # writes it
 *     npx tsx scripts/version.ts --check    # part of `npm run check`
 */
import { readFileSync, writeFileSync } from 'node:fs'

const TARGET = 'src/cli/version.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const wanted = `/** Written by scripts/version.ts from package.json. */\nexport const VERSION = '${version}'\n`

if (!process.argv.includes('--check')) writeFileSync(TARGET, wanted)
else if (readFileSync(TARGET, 'utf8') !== wanted) {
  console.error(`${TARGET} does not have version ${version}: npx tsx scripts/version.ts`)
  process.exitCode = 1
}
