/**
 * Bundles the command line and the library with all their dependencies. A module that a command imports lazily is a file of
 * its own, so that `--help` loads no more than before. Names stay as they are, so that a stack trace can be read.
 */
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

/** The CommonJS packages in the bundle request modules of Node. Each file of the bundle may have one of them. */
const REQUIRE = "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

/** Packages that others use if they happen to be installed. A build must not depend on what its user has installed. */
const OPTIONAL = /^(bufferutil|utf-8-validate|encoding|supports-color)$/

/**
 * What client-node uses of `node-fetch`, by Node's own. `node-fetch` has 300 KB, and is loaded with every kubeconfig. Node
 * loads its own on the first use, so the module must not touch it.
 */
const FETCH = `export class Headers { constructor(init) { return new globalThis.Headers(init) } }
export default (...request) => globalThis.fetch(...request)`

/**
 * client-node has a generated client of 15 MB. Its modules only define classes: once esbuild knows that they have no side
 * effects, it keeps those that KubeConfig uses.
 */
const small: Plugin = {
  name: 'small',
  setup(of) {
    of.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) =>
      resolveDir.includes('/@kubernetes/client-node/dist') ? { path: join(resolveDir, path), sideEffects: false } : undefined,
    )
    of.onResolve({ filter: /^node-fetch$/ }, ({ path }) => ({ path, namespace: 'own' }))
    of.onLoad({ filter: /./, namespace: 'own' }, () => ({ contents: FETCH }))
    of.onResolve({ filter: OPTIONAL }, ({ path }) => ({ path, namespace: 'absent' }))
    of.onLoad({ filter: /./, namespace: 'absent' }, ({ path }) => ({
      contents: `throw Object.assign(new Error('${path} is not in this build'), { code: 'MODULE_NOT_FOUND' })`,
    }))
  },
}

/**
 * Writes `dist/cli/main.js`, `dist/index.js` and their chunks into `folder`.
 * @param commit the commit that the build is made of; absent in a checkout
 * @returns the files that the bundle consists of, relative to the working directory
 * @throws Error if it is not self-contained
 */
export async function bundle(folder: string, commit?: string): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: { 'cli/main': 'src/cli/main.ts', index: 'src/index.ts' },
    outdir: folder,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifyWhitespace: true,
    minifySyntax: true,
    // Comments with paths and links of this machine would make two builds differ.
    preserveSymlinks: true,
    legalComments: 'none',
    banner: { js: REQUIRE },
    define: commit === undefined ? {} : { ENTENTE_COMMIT: JSON.stringify(commit) },
    plugins: [small],
    metafile: true,
    logLevel: 'warning',
  })
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external && !isBuiltin(path)),
  )
  if (outside.length > 0) throw new Error(`the bundle requires ${outside.map(({ path }) => path).join(', ')}`)
  return Object.entries(metafile.inputs).flatMap(([file]) => (/^(absent|own):/.test(file) ? [] : [file]))
}
