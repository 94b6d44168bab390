import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { A, authority, B, bundleOf, CLIENT } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import type { ImpactView } from '../../../core/view/impact-view.ts'
import type { Io } from '../../io.ts'
import { type ImpactArgs, run } from './impact.ts'

const FILES = {
  'policies.yaml': `apiVersion: v1
kind: List
items:
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: { name: by-namespace, namespace: sample }
    spec: { selector: { matchLabels: { app: server } }, rules: [{ from: [{ source: { namespaces: [foo] } }] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: locals, namespace: sample }
spec: { selector: { matchLabels: { app: store } }, rules: [{ from: [{ source: { principals: [b.example/ns/foo/sa/web] } }] }] }
`,
  'bare.yaml': 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: bare }\nspec: { rules: [{}] }\n',
  'mesh.yaml': 'trustDomain: b.example\n',
  'mesh-after.yaml': 'trustDomain: b.example\ncaCertificates: [{ pem: x, trustDomains: [a.example] }]\n',
  'configmap.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\ndata: { mesh: "trustDomain: b.example" }\n',
  'operator.yaml': 'apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: { meshConfig: { trustDomain: b.example } }\n',
  'values.yaml': 'meshConfig: { trustDomain: b.example }\n',
  'broken.yaml': 'trustDomain: [\n',
  'refused.yaml': 'trustDomain: b.example\ndefaultConfig: { proxyMetadata: { A: true } }\n',
  'snake.yaml': 'trust_domain: b.example\ntrust_domain_aliases: [a.example]\n',
  'template.yaml': 'trustDomain: $(TRUST_DOMAIN)\n',
  'ids.txt': '# callers\na.example/ns/foo/sa/web\nspiffe://b.example/ns/foo/sa/web\n',
  'ids.json': '["a.example/ns/foo/sa/web", "spiffe://b.example/ns/foo/sa/web"]',
}

let directory: string
let io: Io
let out: string[]
let at: (name: keyof typeof FILES) => string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-impact-'))
  at = (name) => join(directory, name)
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(directory, name), text)
  await using made = await workspace(inDirectories())
  io = { ...made.io, print: (text) => void out.push(String(text)) }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function ask(args: Partial<ImpactArgs>): Promise<{ readonly code: number; readonly text: string; readonly view: () => ImpactView }> {
  out = []
  const code = await run({ file: 'federation.yaml', output: 'json', policies: [at('policies.yaml')], mesh: at('mesh.yaml'), ...args }, io)
  return { code, text: out.join('\n'), view: () => JSON.parse(out.join('')) as ImpactView }
}

describe('impact on files', () => {
  it('names for each policy the identities that a new mesh config adds, as docs/cli.md describes the JSON', async () => {
    const { code, view } = await ask({
      meshAfter: at('mesh-after.yaml'),
      namespace: 'sample',
      labels: { app: 'server' },
      identities: at('ids.txt'),
    })
    expect(code).toBe(0)
    expect(view()).toEqual({
      apiVersion: 'entente.dev/v1alpha1',
      kind: 'Impact',
      policies: [
        {
          namespace: 'sample',
          name: 'by-namespace',
          action: 'ALLOW',
          newlyAccepted: ['a.example/ns/foo/*'],
          maybe: [],
          except: [],
          at: ['sample (app=server)'],
          rules: [0],
          because: expect.stringContaining('carries no trust domain'),
          closedBy: ['add principals: ["b.example/*"] to its source'],
          examples: ['spiffe://a.example/ns/foo/sa/web'],
        },
      ],
      identities: [
        { id: 'a.example/ns/foo/sa/web', before: 'deny', after: 'allow' },
        { id: 'spiffe://b.example/ns/foo/sa/web', before: 'allow', after: 'allow' },
      ],
      findings: [],
    })
  })

  it('names the identities that a what-if adds: in a filter, in the mesh, as an alias', async () => {
    const lets = async (args: Partial<ImpactArgs>) =>
      (await ask({ trusted: 'a.example', ...args })).view().policies.map(({ name, newlyAccepted }) => [name, newlyAccepted])
    expect(await lets({ as: 'mesh' })).toEqual([
      ['by-namespace', ['a.example/ns/foo/*']],
      ['locals', []],
    ])
    expect(await lets({ as: 'alias' })).toEqual([
      ['by-namespace', ['a.example/ns/foo/*']],
      ['locals', ['a.example/ns/foo/sa/web']],
    ])
    expect(await lets({ as: 'pinned', namespace: 'sample', labels: { app: 'store' } })).toEqual([['locals', []]])
  })

  it('puts a policy without a namespace into that of --namespace', async () => {
    const args = { policies: [at('bare.yaml')], trusted: 'a.example', as: 'mesh' as const }
    expect((await ask({ ...args, namespace: 'sample' })).view().policies[0]).toMatchObject({
      namespace: 'sample',
      newlyAccepted: ['a.example/*'],
    })
    expect((await ask(args)).view().policies[0]).toMatchObject({ namespace: 'default' })
  })

  it.each(['configmap.yaml', 'operator.yaml', 'values.yaml'] as const)('reads the mesh config from %s', async (name) => {
    const { view } = await ask({ mesh: at(name), meshAfter: at('mesh-after.yaml') })
    expect(view().policies[0]?.newlyAccepted).toEqual(['a.example/ns/foo/*'])
  })

  describe('with files of other forms', () => {
    const mesh = 'meshConfig: { trustDomain: b.example }'
    const map = (domain: string, name = 'istio'): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: istio-system }\ndata: { mesh: "trustDomain: ${domain}" }\n`
    const application = (helm: string): string =>
      `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: istiod }\nspec: { source: { chart: istiod, helm: ${helm} } }\n`
    const write = async (text: string | Buffer): Promise<string> => {
      const path = join(directory, 'made.yaml')
      await writeFile(path, text)
      return path
    }
    const layered = 'spec: { meshConfig: { trustDomain: b.example }, values: { meshConfig: { trustDomain: z.example } } }'

    it.each([
      ['an umbrella chart', `istio: { istiod: { ${mesh} } }`],
      ['a helmfile', `releases: [ { name: istiod, values: [ { ${mesh} } ] } ]`],
      ['an Application', application(`{ values: "${mesh}" }`)],
      [
        'OpenShift Service Mesh 2',
        'apiVersion: maistra.io/v2\nkind: ServiceMeshControlPlane\nspec: { security: { trust: { domain: b.example } } }',
      ],
      ['an IstioOperator, over its values', `apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n${layered}`],
      ['a later document', `apiVersion: v1\nkind: Namespace\nmetadata: { name: x }\n---\n${map('b.example')}`],
      ['a List', JSON.stringify({ kind: 'List', items: [{ kind: 'ConfigMap', data: { mesh: 'trustDomain: b.example' } }] })],
      ['what the chart renders, beside its values', `${map('b.example')}---\n${map('x', 'values').replace('mesh:', 'merged-values:')}`],
      ['the same twice', `${map('b.example')}---\n${map('b.example', 'istio-canary')}`],
    ])('reads the mesh config of %s', async (_, text) => {
      const { view } = await ask({
        mesh: await write(text),
        meshAfter: at('mesh-after.yaml'),
        identities: at('ids.txt'),
        namespace: 'sample',
      })
      expect(view().identities.map(({ before }) => before)).toEqual(['deny', 'allow'])
    })

    it.each([
      ['an empty file', '', 'file-unreadable', /is empty/],
      ['comments only', '# nothing\n', 'mesh-config-unreadable', /holds no mesh config/],
      ['an empty mapping', '{}', 'mesh-config-unreadable', /holds no mesh config/],
      ['UTF-16', Buffer.from('trustDomain: b.example', 'utf16le'), 'file-unreadable', /UTF-16/],
      ['values without one', 'pilot: { env: { A: b } }', 'mesh-config-unreadable', /holds no mesh config/],
      ['another object', map('x').replace('mesh:', 'other:'), 'mesh-config-unreadable', /holds no mesh config/],
      [
        'two that differ',
        `${map('b.example')}---\n${map('c.example', 'istio-canary')}`,
        'mesh-config-unreadable',
        /2 mesh configs that differ.*istio-canary/,
      ],
      [
        'two that do not belong together',
        'trustDomain: b.example\n---\ntrustDomain: c.example\n',
        'mesh-config-unreadable',
        /2 mesh configs that differ/,
      ],
      [
        'a second document of no known kind',
        'trustDomain: b.example\n---\nnonsense: 1\n',
        'mesh-config-unreadable',
        /no mesh config \(line 3\)/,
      ],
      ['values in a file elsewhere', application('{ valueFiles: [x.yaml] }'), 'mesh-config-unreadable', /valueFiles: x\.yaml is not among/],
    ] as const)('rejects a mesh config of %s', async (_, text, code, says) => {
      const asked = ask({ mesh: await write(text), trusted: 'a.example', as: 'mesh' })
      await expect(asked).rejects.toMatchObject({ code, message: expect.stringMatching(says), hint: expect.stringMatching(/./) })
    })

    const policy = (principal: string): string =>
      `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: sample }\nspec: { rules: [ { from: [ { source: { principals: ['${principal}'] } } ] } ] }\n`

    it.each([
      ['an empty file', '', /is empty/],
      ['blank documents', '---\n---\n', /is empty/],
      ['comments only', '# nothing\n', /holds no Kubernetes object/],
      ['UTF-16', Buffer.from(policy('x'), 'utf16le'), /UTF-16/],
      ['no object', 'istiod: {}', /holds no Kubernetes object/],
      ['a policy without a name', policy('x').replace('name: p, ', ''), /metadata\.name/],
      ['a policy with a placeholder', policy('$' + '{TD}/ns/a/sa/b'), /placeholder/],
    ] as const)('rejects policies from %s', async (_, text, says) => {
      const asked = ask({ policies: [await write(text)], trusted: 'a.example', as: 'mesh' })
      await expect(asked).rejects.toMatchObject({
        code: 'file-unreadable',
        message: expect.stringMatching(says),
        hint: expect.stringMatching(/./),
      })
    })

    it('reads a List without items as no policies', async () => {
      const { view } = await ask({ policies: [await write('apiVersion: v1\nkind: List\nitems: []\n')], trusted: 'a.example', as: 'mesh' })
      expect(view().policies).toEqual([])
    })

    it('rejects an empty file of identities', async () => {
      const asked = ask({ identities: await write('\n'), trusted: 'a.example', as: 'mesh' })
      await expect(asked).rejects.toMatchObject({ code: 'file-unreadable', message: expect.stringContaining('no SPIFFE ID') })
    })
  })

  it('reads identities from a list in JSON, too', async () => {
    const { view } = await ask({ meshAfter: at('mesh-after.yaml'), identities: at('ids.json') })
    expect(view().identities.map(({ id, after }) => `${id} ${after}`)).toEqual([
      'a.example/ns/foo/sa/web allow',
      'spiffe://b.example/ns/foo/sa/web allow',
    ])
  })

  it('prints the same as text', async () => {
    const { text } = await ask({ meshAfter: at('mesh-after.yaml'), identities: at('ids.txt'), output: 'text' })
    expect(text).toContain('1 of 2 policies accepts an additional identity.')
    expect(text).toMatch(/AuthorizationPolicy sample\/by-namespace {3}ALLOW {3}at sample \(app=server\)\n {2}\+ a\.example\/ns\/foo\/\*\n/)
    expect(text).toMatch(/to close it: add principals/)
    expect(text).toMatch(/a\.example\/ns\/foo\/sa\/web +deny +allow/)
  })

  it.each([
    { name: 'no policies', args: { policies: undefined }, code: 'usage' },
    { name: 'no mesh config', args: { mesh: undefined }, code: 'usage' },
    { name: 'no change', args: {}, code: 'usage' },
    { name: 'two changes', args: { trusted: 'a.example', as: 'mesh', meshAfter: 'x' }, code: 'usage' },
    { name: 'a change without its value', args: { trusted: 'a.example' }, code: 'usage' },
    { name: 'a filter without a location', args: { trusted: 'a.example', as: 'pinned' }, code: 'usage' },
    { name: 'no trust domain', args: { trusted: 'A/B', as: 'mesh' }, code: 'trust-domain-invalid' },
    {
      name: 'a file that does not exist',
      args: { policies: ['/nowhere.yaml'], trusted: 'a.example', as: 'mesh' },
      code: 'file-unreadable',
    },
  ] as const)('rejects $name', async ({ args, code }) => {
    await expect(ask(args as Partial<ImpactArgs>)).rejects.toThrow(expect.objectContaining({ code }))
  })

  it('reads a mesh config in snake_case', async () => {
    const { view } = await ask({ meshAfter: at('snake.yaml'), identities: at('ids.txt'), namespace: 'sample', labels: { app: 'store' } })
    expect(view().identities).toMatchObject([{ id: 'a.example/ns/foo/sa/web', before: 'deny', after: 'allow' }, {}])
  })

  it.each([
    { name: 'a rule of operations only', rules: '[{ to: [{ operation: { hosts: [x] } }] }]', maybe: false, codes: [] },
    {
      name: 'a field in the singular',
      rules: '[{ from: [{ source: { namespace: [a] } }] }]',
      maybe: true,
      codes: ['policy-not-understood'],
    },
  ])('reports that $name accepts every identity of the domain', async ({ rules, maybe, codes }) => {
    const head = 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: sample }\n'
    const path = join(directory, 'rules.yaml')
    await writeFile(path, `${head}spec: { rules: ${rules} }\n`)
    const view = (await ask({ policies: [path], trusted: 'a.example', as: 'mesh' })).view()
    expect(view.policies[0]?.[maybe ? 'maybe' : 'newlyAccepted']).toEqual(['a.example/*'])
    expect(view.findings.map(({ code }) => code)).toEqual(codes)
  })

  it.each([
    { name: 'that istiod refuses', file: 'refused.yaml', code: 'mesh-config-refused' },
    { name: 'whose trust domain is a placeholder', file: 'template.yaml', code: 'mesh-config-unreadable' },
  ] as const)('draws no conclusion from a mesh config $name', async ({ file, code }) => {
    await expect(ask({ meshAfter: at(file) })).rejects.toThrow(expect.objectContaining({ code }))
  })

  it('rejects a file that is not a mesh config, and identities that are invalid', async () => {
    await expect(ask({ mesh: at('policies.yaml'), trusted: 'a.example', as: 'mesh' })).rejects.toThrow(
      expect.objectContaining({ code: 'mesh-config-unreadable' }),
    )
    await expect(ask({ mesh: at('broken.yaml'), trusted: 'a.example', as: 'mesh' })).rejects.toThrow(
      expect.objectContaining({ code: 'mesh-config-unreadable' }),
    )
    await expect(ask({ trusted: 'a.example', as: 'mesh', identities: at('mesh.yaml') })).rejects.toThrow(
      expect.objectContaining({ code: 'spiffe-id-invalid' }),
    )
  })
})

describe('impact on a federation', () => {
  const [a, b] = [authority(A), authority(B)]
  const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: from-sample, namespace: sample }
spec: { selector: { matchLabels: { app: server } }, rules: [{ from: [{ source: { namespaces: [sample] } }] }] }
`
  const asked = async (args: Partial<ImpactArgs>) => {
    await using made = await workspace(inDirectories(), bundleOf(A, (await a).root.anchor), bundleOf(B, (await b).root.anchor))
    await mkdir(join(made.directory, 'clusters/cluster-b'))
    await writeFile(join(made.directory, 'clusters/cluster-b/policy.yaml'), POLICY)
    const code = await run({ file: made.file, output: 'json', ...args }, made.io)
    return { code, view: JSON.parse(made.printed.join('')) as ImpactView }
  }

  it('names the identities that the written change adds, by policies in Git', async () => {
    const { code, view } = await asked({})
    expect(code).toBe(0)
    expect(view.policies.find(({ name }) => name === 'from-sample')).toMatchObject({
      member: 'cluster-b',
      newlyAccepted: [CLIENT],
      at: ['sample (app=server)'],
    })
    expect(view.findings.map(({ code }) => code)).toContain('not-checked')
  })

  it('names the identities of a whole domain', async () => {
    const { view } = await asked({ truster: 'cluster-b', trusted: 'cluster-a', as: 'mesh' })
    expect(view.policies).toMatchObject([{ name: 'from-sample', newlyAccepted: ['cluster-a.example/ns/sample/*'] }])
  })

  it.each([{ truster: 'cluster-x' }, { trusted: 'cluster-a' }, { trusted: 'cluster-a', as: 'mesh' as const }])(
    'rejects %j',
    async (args) => {
      await expect(asked(args)).rejects.toThrow(expect.objectContaining({ code: 'usage' }))
    },
  )
})
