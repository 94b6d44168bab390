import { describe, expect, it } from 'vitest'
import { codes, linted, places, type Texts } from '../../../../test/support/lint.ts'

/** Text below a key, two columns deeper than it. */
const block = (indent: number, text: string): string => text.trimEnd().replace(/^(?=.)/gm, ' '.repeat(indent))

const MESH = 'meshConfig:\n  trustDomain: a.example\n  trustDomainAliases: [b.example]\n'
const object = (apiVersion: string, kind: string, rest: string): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: istiod, namespace: istio-system }\n${rest}`

interface Form {
  readonly form: string
  readonly text: string
  /** Of the alias. */
  readonly at: string
}

const FORMS: readonly Form[] = [
  { form: 'Helm values', text: MESH, at: '3:24' },
  { form: 'Helm values with a kind of their own', text: `kind: DaemonSet\n${MESH}`, at: '4:24' },
  {
    form: 'Helm values in text, with a kind and a status of their own',
    text: object('helm.cattle.io/v1', 'HelmChart', `spec:\n  valuesContent: |\n    kind: DaemonSet\n    status:\n${block(6, MESH)}\n`),
    at: '10:30',
  },
  { form: 'values of an umbrella chart', text: `istiod:\n${block(2, MESH)}\n`, at: '4:26' },
  { form: 'values of an umbrella chart of umbrella charts', text: `a:\n  b:\n    c:\n      istiod:\n${block(8, MESH)}\n`, at: '7:32' },
  {
    form: 'values of an umbrella chart with global.proxy at the top',
    text: `global: { proxy: {} }\nistio:\n  istiod:\n${block(4, MESH)}\n`,
    at: '6:28',
  },
  {
    form: 'an Argo CD Application by values',
    text: object('argoproj.io/v1alpha1', 'Application', `spec:\n  source:\n    helm:\n      values: |\n${block(8, MESH)}\n`),
    at: '10:32',
  },
  {
    form: 'an Argo CD Application by values, folded',
    text: object('argoproj.io/v1alpha1', 'Application', `spec:\n  source:\n    helm:\n      values: ${JSON.stringify(MESH)}\n`),
    at: '7:7',
  },
  {
    form: 'an Argo CD Application by valuesObject',
    text: object('argoproj.io/v1alpha1', 'Application', `spec:\n  sources:\n  - helm:\n      valuesObject:\n${block(8, MESH)}\n`),
    at: '10:32',
  },
  {
    form: 'an Argo CD Application by parameters',
    text: object(
      'argoproj.io/v1alpha1',
      'Application',
      `spec:\n  source:\n    helm:\n      parameters:\n      - { name: meshConfig.trustDomain, value: a.example }\n      - name: "meshConfig.trustDomainAliases[0]"\n        value: b.example\n`,
    ),
    at: '10:9',
  },
  {
    form: 'an Argo CD ApplicationSet by values',
    text: object(
      'argoproj.io/v1alpha1',
      'ApplicationSet',
      `spec:\n  generators: [ { clusters: {} } ]\n  template:\n    spec:\n      source:\n        chart: istiod\n        helm:\n          values: |\n${block(12, `global: { multiCluster: { clusterName: {{name}} } }\n${MESH}`)}\n`,
    ),
    at: '15:36',
  },
  {
    form: 'an Argo CD ApplicationSet by valuesObject',
    text: object(
      'argoproj.io/v1alpha1',
      'ApplicationSet',
      `spec:\n  template:\n    spec:\n      source:\n        helm:\n          valuesObject:\n${block(12, MESH)}\n`,
    ),
    at: '12:36',
  },
  {
    form: 'a Flux HelmRelease',
    text: object('helm.toolkit.fluxcd.io/v2', 'HelmRelease', `spec:\n  values:\n${block(4, MESH)}\n`),
    at: '8:28',
  },
  {
    form: 'a Flux HelmRelease of an umbrella chart',
    text: object('helm.toolkit.fluxcd.io/v2', 'HelmRelease', `spec:\n  values:\n    istiod:\n${block(6, MESH)}\n`),
    at: '9:30',
  },
  { form: 'a helmfile', text: `releases:\n- name: istiod\n  chart: istio/istiod\n  values:\n  - ${block(4, MESH).trim()}\n`, at: '7:28' },
  {
    form: 'a helmfile by set',
    text: 'releases:\n- name: istiod\n  set:\n  - { name: meshConfig.trustDomain, value: a.example }\n  - { name: meshConfig.trustDomainAliases, value: "{b.example}" }\n',
    at: '5:44',
  },
  { form: 'Sail', text: object('sailoperator.io/v1', 'Istio', `spec:\n  values:\n${block(4, MESH)}\n`), at: '8:28' },
  {
    form: 'OpenShift Service Mesh 2',
    text: object(
      'maistra.io/v2',
      'ServiceMeshControlPlane',
      'spec:\n  security:\n    trust: { domain: a.example, additionalDomains: [b.example] }\n',
    ),
    at: '6:53',
  },
  {
    form: 'OpenShift Service Mesh 2 by techPreview',
    text: object('maistra.io/v2', 'ServiceMeshControlPlane', `spec:\n  techPreview:\n${block(4, MESH)}\n`),
    at: '8:28',
  },
  {
    form: 'OpenShift Service Mesh 3',
    text: object('sailoperator.io/v1', 'IstioRevision', `spec:\n  values:\n${block(4, MESH)}\n`),
    at: '8:28',
  },
  {
    form: 'a K3s HelmChart',
    text: object('helm.cattle.io/v1', 'HelmChart', `spec:\n  chart: istiod\n  valuesContent: |-\n${block(4, MESH)}\n`),
    at: '9:28',
  },
  {
    form: 'a K3s HelmChart by set',
    text: object(
      'helm.cattle.io/v1',
      'HelmChart',
      'spec:\n  set:\n    meshConfig.trustDomain: a.example\n    meshConfig.trustDomainAliases: "{b.example}"\n',
    ),
    at: '7:5',
  },
  {
    form: 'a K3s HelmChartConfig',
    text: object('helm.cattle.io/v1', 'HelmChartConfig', `spec:\n  valuesContent: |-\n${block(4, MESH)}\n`),
    at: '8:28',
  },
  {
    form: 'helmCharts of kustomize',
    text: `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nhelmCharts:\n- name: istiod\n  valuesInline:\n${block(4, MESH)}\n`,
    at: '8:28',
  },
  {
    form: 'a patch of kustomize, in the form of the object',
    text: `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |-\n${block(4, object('sailoperator.io/v1', 'Istio', `spec:\n  values:\n${block(4, MESH)}\n`))}\n`,
    at: '12:32',
  },
  {
    form: 'a patch of kustomize, of the ConfigMap',
    text: `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |-\n${block(4, `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio }\ndata:\n  mesh: |\n    trustDomain: a.example\n    trustDomainAliases: [b.example]\n`)}\n`,
    at: '11:30',
  },
  {
    form: 'a JSON patch of kustomize',
    text: `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |-\n${block(4, '- op: add\n  path: /spec/values/meshConfig\n  value: { trustDomain: a.example, trustDomainAliases: [b.example] }\n')}\n`,
    at: '7:61',
  },
  {
    form: 'a JSON patch of kustomize, of one field',
    text: `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |-\n${block(4, '- op: replace\n  path: /spec/values/meshConfig/trustDomainAliases\n  value: [b.example]\n')}\n`,
    at: '7:15',
  },
  {
    form: 'a JSON patch that adds to a list, in a file of its own',
    text: '- op: add\n  path: /spec/values/meshConfig/trustDomainAliases/-\n  value: b.example\n',
    at: '3:3',
  },
  {
    form: 'a JSON patch of kustomize, of the ConfigMap',
    text: `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |-\n${block(4, '- op: replace\n  path: /data/mesh\n  value: |\n    trustDomain: a.example\n    trustDomainAliases: [b.example]\n')}\n`,
    at: '9:30',
  },
  {
    form: 'a strategic merge patch with a directive',
    text: object('sailoperator.io/v1', 'Istio', `spec:\n  values:\n    $patch: replace\n${block(4, MESH)}\n`),
    at: '9:28',
  },
  {
    form: 'an IstioOperator',
    text: object('install.istio.io/v1alpha1', 'IstioOperator', `spec:\n${block(2, MESH)}\n`),
    at: '7:26',
  },
  {
    form: 'a ConfigMap of Helm values',
    text: object('v1', 'ConfigMap', `data:\n  istiod.yaml: |\n${block(4, MESH)}\n`),
    at: '8:28',
  },
  {
    form: 'an object of Crossplane in an object',
    text: object(
      'example.org/v1',
      'Release',
      `spec:\n  forProvider:\n    manifest:\n      apiVersion: sailoperator.io/v1\n      kind: Istio\n      spec:\n        values:\n${block(10, MESH)}\n`,
    ),
    at: '13:34',
  },
]

describe('the mesh config', () => {
  it.each(FORMS)('is found in $form, with its place', ({ text, at }) => {
    expect(places(linted(text))).toEqual([`m.yaml:${at} foreign-alias`])
  })

  it('of Kyma contains only a trust domain', () => {
    const text = `${object('operator.kyma-project.io/v1alpha2', 'Istio', 'spec:\n  config:\n    trustDomain: a.example\n')}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: sample }
spec: { rules: [ { from: [ { source: { principals: [a.example/ns/x/sa/y, c.example/ns/x/sa/y] } } ] } ] }
`
    expect(linted(text).findings).toMatchObject([{ code: 'unknown-trust-domain', message: expect.stringContaining('c.example') }])
  })

  it('is not read from a JSON schema or a CustomResourceDefinition', () => {
    const schema = { type: 'object', properties: { meshConfig: { type: 'object', properties: { nonsense: { type: 'string' } } } } }
    expect(codes(linted(JSON.stringify({ $schema: 'x', ...schema })))).toEqual([])
    const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', spec: schema }
    expect(codes(linted(JSON.stringify(definition)))).toEqual([])
  })

  it('in text that is nested deeper than any known form is reported as not read', () => {
    const deep = (depth: number, text: string): string => (depth === 0 ? text : deep(depth - 1, `x:\n  y: |\n${block(4, text)}\n`))
    expect(codes(linted(deep(3, MESH)))).toEqual(['foreign-alias'])
    expect(codes(linted(deep(4, MESH)))).toEqual(['settings-not-read'])
  })
})

describe('a copy', () => {
  const old = MESH.replace('b.example', 'old.example')
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio' }, data: { mesh: old } }

  it.each([
    [
      'of what kubectl applied last',
      `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: istio\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      ${JSON.stringify(map)}\ndata:\n  mesh: 'trustDomain: a.example'\n`,
    ],
    [
      'of what Argo CD synced last',
      object(
        'argoproj.io/v1alpha1',
        'Application',
        `status:\n  sync: { comparedTo: { source: { helm: { valuesObject: { ${old.trim().replaceAll('\n', ',').replace('meshConfig:,', 'meshConfig: {')} } } } } } }\n`,
      ),
    ],
    ['that the istiod chart keeps', object('v1', 'ConfigMap', `data:\n  merged-values: |\n${block(4, old)}\n`)],
  ])('%s is not judged', (_, text) => {
    expect(codes(linted(text))).toEqual([])
  })
})

describe('a form that is not read', () => {
  const release = (rest: string): string =>
    object('helm.toolkit.fluxcd.io/v2', 'HelmRelease', `spec:\n  chart: { spec: { chart: istiod } }\n${rest}`)
  const application = (rest: string): string =>
    object('argoproj.io/v1alpha1', 'Application', `spec:\n  source:\n    chart: istiod\n    helm:\n${block(6, rest)}\n`)

  it.each([
    ['valueFiles of Argo CD', application('valueFiles: [values-prod.yaml]'), '8:20', 'values-prod.yaml'],
    ['valueFiles of another source', application('valueFiles:\n- $values/istio/values.yaml'), '9:9', 'istio/values.yaml'],
    ['fileParameters', application('fileParameters: [{ name: meshConfig.trustDomain, path: td.txt }]'), '8:24', 'td.txt'],
    ['valuesFrom of Flux', release('  valuesFrom: [{ kind: ConfigMap, name: istiod-values }]\n'), '6:16', 'istiod-values'],
    ['valuesFrom a Secret', release('  valuesFrom: [{ kind: Secret, name: istiod-values }]\n'), '6:16', 'Secret istiod-values'],
    [
      'valuesFile of kustomize',
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nhelmCharts:\n- name: istiod\n  repo: https://charts.example\n  valuesFile: prod.yaml\n',
      '6:3',
      'prod.yaml',
    ],
    ['a file of helmfile', 'releases:\n- name: istiod\n  chart: istio/istiod\n  values: [prod.yaml.gotmpl]\n', '4:12', 'prod.yaml.gotmpl'],
    [
      'a template in the text',
      application('values: |\n  {{- if .prod }}\n  meshConfig: { trustDomain: a.example }\n  {{- end }}'),
      '8:7',
      'names a mesh config',
    ],
    [
      'an argument of helm',
      'run: |\n  helm install istiod istio/istiod --set meshConfig.trustDomain=a.example\n',
      '1:1',
      'argument of helm',
    ],
    [
      'a second document in the text',
      application('values: |\n  global: {}\n  ---\n  meshConfig: { trustDomain: a.example }'),
      '8:7',
      'only the first document',
    ],
    [
      'a second document in the ConfigMap',
      object('v1', 'ConfigMap', 'data:\n  mesh: |\n    trustDomain: a.example\n    ---\n    trustDomain: b.example\n'),
      '5:3',
      'several documents',
    ],
    ['OpenShift Service Mesh 1', object('maistra.io/v1', 'ServiceMeshControlPlane', 'spec:\n  istio: {}\n'), '4:1', 'maistra.io/v1'],
  ])('is reported with its place: %s', (_, text, at, says) => {
    const found = linted(text).findings.filter(({ code }) => code === 'settings-not-read')
    expect(found).toMatchObject([{ severity: 'info', message: expect.stringContaining(says) }])
    expect(places({ ...linted(text), findings: found })).toEqual([`m.yaml:${at} settings-not-read`])
  })

  it('is read if the files contain what it refers to', () => {
    const texts: Texts = { 'm/app.yaml': application('valueFiles: [../values/prod.yaml]'), 'm/values/prod.yaml': MESH }
    expect(codes(linted(texts))).toEqual(['foreign-alias'])
    const map = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istiod-values }\ndata:\n  values.yaml: |\n${block(4, MESH)}\n`
    expect(codes(linted(`${map}---\n${release('  valuesFrom: [{ kind: ConfigMap, name: istiod-values }]\n')}`))).toEqual(['foreign-alias'])
  })

  it.each([
    [
      'another chart',
      release('  valuesFrom: [{ name: x }]\n').replace('chart: istiod', 'chart: nginx').replace('name: istiod', 'name: nginx'),
    ],
    ['a gateway', release('  valuesFrom: [{ name: x }]\n').replace('chart: istiod', 'chart: gateway')],
  ])('is not reported in %s', (_, text) => {
    expect(codes(linted(text))).toEqual([])
  })
})

describe('a placeholder', () => {
  const policy = (principal: string): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: sample }
spec: { rules: [ { from: [ { source: { principals: ["${principal}"] } } ] } ] }
`
  const ofRule = 'unknown-trust-domain'
  const env = (name: string): string => `$${`{${name}}`}`

  it.each([`${env('TD')}/ns/a/sa/b`, '{{ .td }}/ns/a/sa/b', '$(TD)/ns/a/sa/b', env('PRINCIPAL'), `${env('TD:=*')}/ns/*/sa/b`])(
    'in a policy is not judged as a trust domain: %s',
    (name) => {
      const result = linted(`${MESH.replace(/.*Aliases.*\n/, '')}---\n${policy(name)}`)
      expect(codes(result)).toEqual([])
      expect(result.notChecked).toMatchObject([{ rule: ofRule, because: expect.stringContaining(JSON.stringify(name)) }])
    },
  )

  it.each([`"${env('TD')}"`, '"{{ .td }}"', '$(TD)'])(
    'in a mesh config is not judged as a trust domain, and leaves the set of domains open: %s',
    (name) => {
      const text = `meshConfig:\n  trustDomain: ${name}\n  trustDomainAliases: [${name}]\n---\n${policy('b.example/ns/a/sa/b')}`
      const result = linted(text)
      expect(codes(result)).toEqual([])
      expect(result.notChecked.map(({ rule }) => rule)).toContain(ofRule)
    },
  )

  it('of Argo CD may appear in text without quotes', () => {
    const values = 'meshConfig:\n  trustDomain: {{name}}.example\n  trustDomainAliases: [b.example]\n'
    const text = object('argoproj.io/v1alpha1', 'ApplicationSet', `spec:\n  source:\n    helm:\n      values: |\n${block(8, values)}\n`)
    const result = linted(text)
    expect(places(result)).toEqual(['m.yaml:10:32 foreign-alias'])
    expect(result.notChecked).toMatchObject([{ because: expect.stringContaining('"{{ name }}.example"') }])
  })
})

it.each(['$patch: delete', '$retainKeys: [a]', '$setElementOrder/servers: []'])(
  'a directive of kustomize is not judged as a field: %s',
  (line) => {
    const gateway = `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: { name: g, namespace: shop }\n`
    expect(codes(linted(`${gateway}${line}\n`))).toEqual([])
    expect(codes(linted(`${gateway}spec:\n  servers:\n  - ${line}\n`))).toEqual([])
  },
)
