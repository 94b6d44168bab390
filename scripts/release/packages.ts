/** The packages of others that a bundle holds parts of, with their licences. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { at, text } from '../../src/core/model/manifest.ts'

export interface Package {
  readonly name: string
  readonly version: string
  /** SPDX, as its author states it. */
  readonly license: string
  /** The texts of its licence and notices. */
  readonly texts: readonly string[]
}

/** `node_modules/a/node_modules/@b/c` of `node_modules/a/node_modules/@b/c/lib/x.js`. */
const FOLDER = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/
const LICENSE = /^(licen[cs]e|copying|notice)/i

/**
 * @param files paths relative to the working directory
 * @throws Error if a package states no licence
 */
export function packagesOf(files: readonly string[]): readonly Package[] {
  const folders = new Set(files.flatMap((file) => FOLDER.exec(file)?.[0] ?? []))
  return [...folders].map(packageIn).sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1))
}

function packageIn(folder: string): Package {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const [name, version, license] = ['name', 'version', 'license'].map((key) => text(at(manifest, key)))
  if (!name || !version || !license) throw new Error(`${folder}/package.json lacks a name, a version or a licence`)
  const texts = readdirSync(folder)
    .filter((file) => LICENSE.test(file))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return { name, version, license, texts }
}

const RULE = '-'.repeat(80)

/** One text with the licences of all. A package without a licence file has the SPDX name that its author states. */
export const licences = (packages: readonly Package[]): string =>
  [
    'Entente contains code of the following packages, under these licences.',
    ...packages.map(({ name, version, license, texts }) =>
      [`${RULE}\n${name} ${version}: ${license}`, ...(texts.length > 0 ? texts : ['(its package has no licence file)'])].join('\n\n'),
    ),
  ].join('\n\n')
