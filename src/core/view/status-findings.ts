/** Merges the findings of a plan and of verdicts for `status`, so that each fact appears once. */

import { type Finding, withSubject } from '../diagnostics/finding.ts'
import { within } from '../diagnostics/subject.ts'
import type { Verdict } from '../model/proven.ts'

/**
 * A finding of the plan takes precedence over the same finding of a verdict. Two meshes may have pods with the same
 * name and namespace: findings of two trusters about such a subject are two facts, each with the name of its mesh.
 */
export function statusFindings(planned: readonly Finding[], verdicts: readonly Verdict[]): readonly Finding[] {
  const known = new Set(planned.map(keyOf))
  const ofPlan = onceEach(planned.map((finding) => [keyOf(finding), finding]))
  const proven = verdicts.flatMap(({ truster, findings }) =>
    findings.filter((finding) => !known.has(keyOf(finding))).map((finding) => ({ truster, finding })),
  )
  // Trusts of one mesh share their findings about it. Only a subject of several meshes needs the name of its mesh.
  const trusters = new Map<string, Set<string>>()
  for (const { truster, finding } of proven) trusters.set(keyOf(finding), (trusters.get(keyOf(finding)) ?? new Set()).add(truster))
  return [
    ...ofPlan,
    ...onceEach(
      proven.map(({ truster, finding }): readonly [string, Finding] => {
        const shared = (trusters.get(keyOf(finding))?.size ?? 0) > 1
        const named = shared ? withSubject(finding, within(truster, finding.about)) : finding
        return [keyOf(named), named]
      }),
    ),
  ].filter(({ severity }) => severity !== 'info')
}

const keyOf = ({ code, subject }: Finding): string => `${code} ${subject}`

/** The first of each key. */
function onceEach(entries: readonly (readonly [string, Finding])[]): readonly Finding[] {
  const first = new Map<string, Finding>()
  for (const [key, finding] of entries) if (!first.has(key)) first.set(key, finding)
  return [...first.values()]
}
