/**
 * `npm run release [-- --out FOLDER] [--snapshot]`: a package that needs no other, its digest, and its bill of materials.
 * Two builds of one commit with the same Node and npm are the same bytes.
 *
 *     entente-mesh-cli-VERSION.tgz   for npm install, or to unpack and run
 *     sbom.cdx.json                  CycloneDX: what it contains
 *     SHA256SUMS                     of both
 *
 * The commit must be checked out unchanged; `--snapshot` also accepts changes, and the build then says so.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle } from './bundle.ts'
import { licences, packagesOf } from './release/packages.ts'
import { sbom } from './release/sbom.ts'

const { values } = parseArgs({ options: { out: { type: 'string', default: 'release' }, snapshot: { type: 'boolean', default: false } } })

const git = (...args: readonly string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim()

/** @throws Error if the checkout differs from its commit */
function commitHere(): string {
  const [head, changes] = [git('rev-parse', 'HEAD'), git('status', '--porcelain')]
  if (changes === '') return head
  if (values.snapshot) return `${head}-modified`
  throw new Error('the checkout differs from its commit: commit first, or use --snapshot')
}

/** What a package needs to be installed: no scripts and no dependencies, because the bundle has them. */
function manifest(): { readonly name: string; readonly text: string } {
  const { scripts: _, dependencies, devDependencies: __, ...kept } = JSON.parse(readFileSync('package.json', 'utf8'))
  // The types of JSON views name zod's; nothing at run time requires it.
  const types = { peerDependencies: { zod: dependencies.zod }, peerDependenciesMeta: { zod: { optional: true } } }
  return { name: kept.name, text: `${JSON.stringify({ ...kept, files: [...kept.files, 'THIRD-PARTY-LICENSES'], ...types }, null, 2)}\n` }
}

async function release(folder: string): Promise<readonly string[]> {
  const commit = commitHere()
  const stage = mkdtempSync(join(tmpdir(), 'entente-release-'))
  try {
    execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', join(stage, 'dist')])
    const packages = packagesOf(await bundle(join(stage, 'dist'), commit))
    for (const name of ['deploy', 'schemas', 'CHANGELOG.md', 'README.md', 'LICENSE']) cpSync(name, join(stage, name), { recursive: true })
    writeFileSync(join(stage, 'THIRD-PARTY-LICENSES'), `${licences(packages)}\n`)
    const { name, text } = manifest()
    writeFileSync(join(stage, 'package.json'), text)
    sameModes(stage)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    execFileSync('npm', ['pack', stage, '--pack-destination', folder, '--ignore-scripts', '--silent'])
    writeFileSync(join(folder, 'sbom.cdx.json'), sbom(name, packages, git('show', '-s', '--format=%cI', 'HEAD')))
    const sums = readdirSync(folder)
      .sort()
      .map((file) => `${sha256(join(folder, file))}  ${file}`)
    writeFileSync(join(folder, 'SHA256SUMS'), `${sums.join('\n')}\n`)
    return [`${name} of ${commit}`, ...sums]
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

/** The umask of this machine is no part of the package. */
function sameModes(stage: string): void {
  for (const entry of readdirSync(stage, { recursive: true, withFileTypes: true }))
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() || entry.name === 'main.js' ? 0o755 : 0o644)
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

for (const line of await release(values.out)) console.log(line)
