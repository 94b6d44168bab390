/** Lint on texts, as files of that name. */
import { readDocuments } from '../../src/adapters/yaml/documents.ts'
import type { LintOptions } from '../../src/core/lint/context.ts'
import { type LintResult, lint } from '../../src/core/lint/lint.ts'
import { NOW } from './federations.ts'

export type Texts = Readonly<Record<string, string>>

/** @param texts by file name; the part before the first `/` is the argument of lint */
export function linted(texts: string | Texts, options: Partial<LintOptions> = {}): LintResult {
  const files = Object.entries(typeof texts === 'string' ? { 'm.yaml': texts } : texts)
  return lint(
    files.map(([file, text]) => readDocuments(file, file.split('/')[0] ?? file, text)),
    { now: NOW, ...options },
  )
}

/** `m.yaml:3:5 unknown-field`, of each. */
export const places = ({ findings }: LintResult): readonly string[] =>
  findings.map(({ file, line, column, code }) => `${file}:${line}:${column} ${code}`)

export const codes = ({ findings }: LintResult): readonly string[] => findings.map(({ code }) => code)

/** The walk-through's manifests for one cluster, as it prints them. @param other the other cluster's name */
export const walkthroughValues = (other: string): string => `values:
  global:
    proxy:
      env:
        ISTIO_META_EXTRA_ROOT_CERTS: /etc/istio/extra-certs
      extraVolumeMounts:
        - name: extra-certs
          mountPath: /etc/istio/extra-certs
          readOnly: true
  pilot:
    extraVolumes:
      - name: extra-certs
        configMap:
          name: ${other}-root-cert
`

export const walkthroughPolicy = (other: string): string => `apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata:
  name: allow-${other}
  namespace: default
spec:
  mtls:
    mode: STRICT
  selector:
    matchLabels:
      app: my-app
  trustDomainAliases:
    - ${other}.example
`
