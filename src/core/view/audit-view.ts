/** The JSON of `audit report` and `audit who`. */
import type { AuditEntry } from '../model/recorded.ts'
import type { callersOf, Opened, Standing } from '../record/at-date.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

const said = ({ at, actor, reason }: Pick<AuditEntry, 'at' | 'actor' | 'reason'>) => ({ at: at.toISOString(), by: actor, reason })

const opened = ({ what, since, certain }: Opened) => ({
  what,
  since: { at: since.at.toISOString(), by: since.by, reason: since.reason },
  certain,
})

export const auditReportView = ({ entries, approved, severed, held, running }: Standing, at: Date): View<'AuditReport'> =>
  documented('AuditReport', {
    at: at.toISOString(),
    entries: entries.length,
    head: entries.at(-1)?.hash ?? null,
    approved: approved.map(({ trustDomain, roots, source, ...entry }) => ({ trustDomain, roots, source, ...said(entry) })),
    severed: severed.map(({ truster, trusted, trustedDomain, ...entry }) => ({
      truster,
      trusted,
      trustedDomain: trustedDomain ?? null,
      ...said(entry),
    })),
    trusts: held.map(({ truster, trusted, workloads, roots, callers, hosts, servers }) => ({
      truster,
      trusted,
      workloads,
      roots,
      callers: callers.map(opened),
      hosts: hosts.map(opened),
      servers: servers.map(opened),
    })),
    running: running.map(said),
  })

export const auditWhoView = (target: string, callers: ReturnType<typeof callersOf>, at: Date): View<'AuditWho'> =>
  documented('AuditWho', {
    at: at.toISOString(),
    target,
    callers: callers.map(({ what, trusted, workloads, roots, ...how }) => {
      const { since, certain } = opened({ what, ...how })
      return { caller: what, trusted, workloads, roots, since, certain }
    }),
  })
