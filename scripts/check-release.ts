/**
 * `npm run check:release`: builds a release twice and compares the digests, unpacks it in a folder of its own, and uses it
 * there: version, demo, lint and plan on files, its library from JavaScript and its types from TypeScript. It also
 * installs the package, with no registry, and runs the commands that the installation puts on the PATH.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const CHECKOUT = process.cwd()
const place = mkdtempSync(join(tmpdir(), 'entente-check-release-'))
const at = (...parts: readonly string[]): string => join(place, ...parts)

/** @returns stdout. @throws Error if the exit code is another one */
function run(command: string, args: readonly string[], { cwd = place, code = 0 } = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, KUBECONFIG: '', HOME: place },
  })
  if (error !== undefined) throw error
  assert.equal(status, code, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

const done = (what: string): void => console.log(`ok  ${what}`)

function twice(): string {
  const release = (out: string): string =>
    execFileSync(process.execPath, ['--import', 'tsx', 'scripts/release.ts', '--snapshot', '--out', out], { encoding: 'utf8' })
  const [one, other] = [release(at('one')), release(at('other'))]
  assert.equal(one, other)
  assert.equal(readFileSync(at('one', 'SHA256SUMS'), 'utf8'), readFileSync(at('other', 'SHA256SUMS'), 'utf8'))
  run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: at('one') })
  done('two builds have the same digest, and SHA256SUMS matches the files')
  const tarball = readdirSync(at('one')).find((name) => name.endsWith('.tgz'))
  assert.ok(tarball !== undefined)
  return at('one', tarball)
}

function contents(): void {
  const manifest = JSON.parse(readFileSync(at('package', 'package.json'), 'utf8'))
  assert.equal(manifest.dependencies, undefined)
  assert.equal(manifest.scripts, undefined)
  const components: readonly { name: string; version: string }[] = JSON.parse(readFileSync(at('one', 'sbom.cdx.json'), 'utf8')).components
  const licences = readFileSync(at('package', 'THIRD-PARTY-LICENSES'), 'utf8')
  for (const { name, version } of components) assert.ok(licences.includes(`\n${name} ${version}: `), `no licence of ${name} ${version}`)
  assert.ok(components.some(({ name }) => name === '@kubernetes/client-node'))
  done(`it depends on nothing; bill of materials and licences name the same ${components.length} packages`)
}

const INERT = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec: { meshConfig: { trustDomain: a.example, trustDomainAliases: [b.example] } }
`

const codesIn = (text: string): readonly string[] => JSON.parse(text).findings.map(({ code }: { code: string }) => code)

function program(main: string): void {
  const entente = (args: readonly string[], code = 0): string => run(process.execPath, [main, ...args], { code })
  const version = JSON.parse(entente(['version', '-o', 'json']))
  const head = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: CHECKOUT, encoding: 'utf8' }).trim()
  assert.equal(version.commit.replace(/-modified$/, ''), head)
  assert.equal(`entente ${version.version}`, entente(['version']).split('\n')[0])
  entente(['demo', '--out', at('demo')])
  rmSync(at('demo', 'clusters', 'a', '20-open'), { recursive: true })
  const plan = JSON.parse(entente(['plan', '-f', at('demo', 'federation.yaml'), '-o', 'json'], 2))
  assert.deepEqual([plan.kind, plan.steps.length > 0], ['Plan', true])
  writeFileSync(at('mesh.yaml'), INERT)
  assert.deepEqual(codesIn(entente(['lint', 'mesh.yaml', '-o', 'json'])), ['foreign-alias'])
  done('the unpacked program runs version, demo, lint and plan')
}

function library(): void {
  const packageName: string = JSON.parse(readFileSync(at('package', 'package.json'), 'utf8')).name
  const folder = at('uses', 'node_modules', packageName)
  mkdirSync(folder, { recursive: true })
  execFileSync('cp', ['-R', `${at('package')}/.`, folder])
  writeFileSync(
    at('uses', 'use.ts'),
    `import { parseTrustDomain, type PlanView, type TrustDomain } from '${packageName}'
const domain: TrustDomain = parseTrustDomain('a.example')
export const steps = (view: PlanView): number => view.steps.length
console.log(domain)
`,
  )
  const types = resolve(CHECKOUT, 'node_modules')
  execFileSync('ln', ['-s', join(types, 'zod'), at('uses', 'node_modules', 'zod')])
  writeFileSync(
    at('uses', 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2023',
        strict: true,
        types: ['node'],
        typeRoots: [join(types, '@types')],
        outDir: 'out',
      },
      files: ['use.ts'],
    }),
  )
  writeFileSync(at('uses', 'package.json'), '{ "type": "module" }')
  run(process.execPath, [join(types, 'typescript', 'bin', 'tsc'), '-p', at('uses')])
  rmSync(at('uses', 'node_modules', 'zod'))
  assert.equal(run(process.execPath, [at('uses', 'out', 'use.js')]), 'a.example\n')
  done('its library compiles and runs in another project')
}

function installed(tarball: string): void {
  const prefix = at('prefix')
  run('npm', ['install', '--global', '--prefix', prefix, '--offline', '--no-audit', '--no-fund', tarball])
  for (const name of ['entente', 'kubectl-entente']) assert.match(run(join(prefix, 'bin', name), ['version']), /^entente \d/)
  done('npm installs it offline, with entente and kubectl-entente')
}

try {
  const tarball = twice()
  run('tar', ['xzf', tarball])
  contents()
  program(at('package', 'dist', 'cli', 'main.js'))
  library()
  installed(tarball)
} finally {
  rmSync(place, { recursive: true, force: true })
}
