/**
 * Finds manifests whose effect differs from their appearance. Runs every rule on every object, applies suppressions,
 * and lists the rules that it could not check.
 */

import { about } from '../diagnostics/subject.ts'
import { refusal } from '../mesh/config/mesh-facts.ts'
import { printable } from '../x509/syntax/printable.ts'
import { cacerts } from './cacerts.ts'
import { type Context, contextOf, findingAt, type LintOptions } from './context.ts'
import { aliases, knownDomains, placeholdersIn, policies } from './domains.ts'
import { fields } from './field-rules.ts'
import { inert } from './inert.ts'
import type { LintFinding, RuleCode } from './lint-rules.ts'
import type { Replacement } from './replacement/meant.ts'
import { replacementFor } from './replacement/replacement.ts'
import { roots } from './roots.ts'
import { emptyRules } from './rules/empty-rules.ts'
import { peerPorts } from './rules/peer-ports.ts'
import { removedFilters } from './rules/removed-filters.ts'
import { repeatedKeys } from './rules/repeated-keys.ts'
import { serverNames } from './rules/server-names.ts'
import { weakeningFlags } from './rules/weakening-flags.ts'
import { filters, rootSelectors, strict } from './scope-rules.ts'
import { type LintFile, viewOf } from './source.ts'
import { type Suppressed, suppress } from './suppress.ts'

export interface LintResult {
  /** In the order of the files, and of the lines in them. */
  readonly findings: readonly LintFinding[]
  readonly suppressed: readonly Suppressed[]
  /** Rules that lint could not check, because the data to compare with is missing. */
  readonly notChecked: readonly { readonly rule: RuleCode; readonly because: string }[]
  /** If lint found an inert setting: a federation file with the effect that the setting was meant to have. */
  readonly replacement?: Replacement
  readonly files: number
  readonly objects: number
}

const CHECKS: readonly ((context: Context) => readonly LintFinding[])[] = [
  inert,
  fields,
  aliases,
  roots,
  cacerts,
  strict,
  rootSelectors,
  policies,
  filters,
  removedFilters,
  emptyRules,
  peerPorts,
  serverNames,
  weakeningFlags,
  repeatedKeys,
]

export function lint(files: readonly LintFile[], options: LintOptions): LintResult {
  const { context, findings: own } = contextOf(files, options)
  const found = [...unread(context), ...refused(context), ...own, ...CHECKS.flatMap((check) => check(context))]
  const { findings, suppressed } = suppress(distinct(found), files, context.resources)
  const replacement = replacementFor(context)
  return {
    findings: inOrder(findings, files),
    suppressed,
    notChecked: notChecked(context),
    ...(replacement === undefined ? {} : { replacement }),
    files: files.length,
    objects: context.resources.length,
  }
}

const UNREAD_HINTS = {
  'yaml-invalid': 'correct it; the other documents were looked at',
  'document-too-large': 'split it into documents of their own',
  'helm-template': 'helm template CHART | entente lint -',
} as const

function unread({ files, settings, notRead }: Context): readonly LintFinding[] {
  const documents = files.flatMap((file) => file.documents)
  return [
    ...documents.flatMap((source) =>
      source.fault === undefined
        ? []
        : [
            findingAt(source.fault.code, viewOf(source), [], about.input('document'), source.fault.message, {
              hint: UNREAD_HINTS[source.fault.code],
            }),
          ],
    ),
    ...settings.flatMap(({ resource, unreadable }) =>
      unreadable === undefined
        ? []
        : [
            findingAt(
              'mesh-config-unreadable',
              resource,
              ['data', 'mesh'],
              resource.about,
              `data.mesh is not a mesh config: ${unreadable}`,
            ),
          ],
    ),
    ...notRead.map(({ resource, view, message, hint }) => findingAt('settings-not-read', view, [], resource.about, message, { hint })),
  ]
}

const refused = ({ settings }: Context): readonly LintFinding[] =>
  settings.flatMap(({ written, resource }) => {
    if (written === undefined || written.faults.length === 0) return []
    const { message, hint, path } = refusal(written.faults)
    return [findingAt('mesh-config-refused', written.view, path, resource.about, printable(message, 1_000), { hint })]
  })

const distinct = (findings: readonly LintFinding[]): readonly LintFinding[] => [
  ...new Map(findings.map((f) => [`${f.code} ${f.file} ${f.line} ${f.column} ${f.message}`, f])).values(),
]

function inOrder(findings: readonly LintFinding[], files: readonly LintFile[]): readonly LintFinding[] {
  const places = new Map(files.map(({ file }, i) => [file, i]))
  const place = ({ file }: LintFinding): number => places.get(file) ?? -1
  return [...findings].sort((a, b) => place(a) - place(b) || a.line - b.line || a.column - b.column)
}

function notChecked(context: Context): LintResult['notChecked'] {
  const missing: { rule: RuleCode; because: string }[] = []
  const has = (kind: string): boolean => context.resources.some((resource) => resource.kind === kind)
  if (has('AuthorizationPolicy') && knownDomains(context) === undefined)
    missing.push({ rule: 'unknown-trust-domain', because: 'neither a mesh config nor a federation says which trust domains there are' })
  const placeholders = placeholdersIn(context)
  if (placeholders !== undefined) missing.push({ rule: 'unknown-trust-domain', because: placeholders })
  const members = [...context.meshes.values()].flatMap((mesh) => mesh.members)
  if (context.federations.length === 0) {
    if (has('PeerAuthentication'))
      missing.push({ rule: 'mtls-not-strict', because: 'no federation file says which scopes are federated: give it with -f' })
  } else if (members.length === 0)
    missing.push({ rule: 'mtls-not-strict', because: 'whose manifests these are could not be told: give --member' })
  for (const [given, { rootNamespaces }] of context.meshes)
    if (rootNamespaces.length > 1 && context.federations.length > 0)
      missing.push({
        rule: 'mtls-not-strict',
        because: `mesh configs in ${printable(given)} name several root namespaces (${printable(rootNamespaces.join(', '))}): give each mesh as an argument of its own`,
      })
  return missing
}
