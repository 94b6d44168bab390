/** The JSON of `verify`, `status` and `sever`, which share the verdicts. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Plan } from '../model/planned.ts'
import type { Verdict } from '../model/proven.ts'
import type { LeafView } from '../rotation/leaves.ts'
import type { ConnectionsView } from '../verify/older-connections.ts'
import { directoriesView, stepViews } from './plan-view.ts'
import type { VerdictView, View } from './schemas.ts'
import { documented } from './versioned.ts'

export type VerifyView = View<'Verify'>

/**
 * @param findings the findings that belong to no single trust
 * @param leaves workload certificates, if Entente asked proxies for them
 */
export const verifyView = (
  verdicts: readonly Verdict[],
  findings: readonly Finding[],
  at: Date,
  leaves?: readonly LeafView[],
): VerifyView => documented('Verify', { ...verdictsView(verdicts, findings, at), ...(leaves === undefined ? {} : { leaves }) })

export const statusView = (verdicts: readonly Verdict[], findings: readonly Finding[], at: Date, plan: Plan): View<'Status'> =>
  documented('Status', { ...verdictsView(verdicts, findings, at), steps: stepViews(plan) })

export const severView = (
  verdicts: readonly Verdict[],
  findings: readonly Finding[],
  at: Date,
  connections: readonly ConnectionsView[],
  undelivered: Parameters<typeof directoriesView>[0],
): View<'Sever'> => documented('Sever', { ...verdictsView(verdicts, findings, at), connections, undelivered: directoriesView(undelivered) })

export const verdictsView = (verdicts: readonly Verdict[], findings: readonly Finding[], at: Date) => ({
  at: at.toISOString(),
  trusts: verdicts.map((verdict): VerdictView => ({ ...verdict, ends: verdict.ends?.toISOString() ?? null })),
  findings,
})
