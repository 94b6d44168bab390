/** Prints the events of use cases for the person at the terminal. */
import { dirname, join } from 'node:path'
import type { Event, Lacking, SeverEvent } from '../../app/events.ts'
import { title } from '../../core/model/manifest.ts'
import type { Io } from '../io.ts'
import { doneText, progressText, stillWaitingText, stopsText } from './apply-text.ts'
import { clustersText } from './federation/federation-text.ts'
import type { Look } from './layout/look.ts'
import { mountText } from './mount-text.ts'
import { planText } from './plan-text.ts'
import { rootsText } from './roots/roots-text.ts'
import { waitingText } from './rotation-text.ts'
import { type Shown, show } from './screen.ts'
import { findingsText } from './text.ts'

type Console = Pick<Io, 'report'> & Look

/** While the same is waited for, a person is reminded of it this often. */
const REMIND_MS = 10_000

/** @param file the federation file, as the user named it */
export function eventReporter(io: Console, file: string): (event: Event) => void {
  let rotation = ''
  const waiting = new Map<string, { readonly for: string; readonly reportedMs: number }>()
  return (event) => {
    if (event.kind === 'waiting') {
      const [key, names] = [`${event.member} ${event.phase}`, JSON.stringify(event.for)]
      const last = waiting.get(key)
      const same = last?.for === names && event.milliseconds >= last.reportedMs
      if (same && event.milliseconds - last.reportedMs < REMIND_MS) return
      waiting.set(key, { for: names, reportedMs: event.milliseconds })
      return io.report(same ? stillWaitingText(event) : progressText(event))
    }
    const texts = eventTexts(event, io, file)
    const waits = event.kind === 'rotation-waits' || event.kind === 'rotation-retries'
    // If a round waits for the same as the one before, the message is not repeated.
    if (waits && rotation === String(texts[0])) return
    if (waits) rotation = String(texts[0])
    for (const text of texts) io.report(text)
  }
}

function eventTexts(event: Event, look: Console, file: string): readonly (Shown | string)[] {
  switch (event.kind) {
    case 'planned':
      return [planText(event.plan, look)]
    case 'carried-out':
      return [...stopsText(event.outcome, look), show`\n${doneText(event.outcome, file)}`]
    case 'ended-unfinished':
      return [
        show`\nThe apply that ${event.begin.actor.name} began at ${event.begin.at.toISOString()} left no step; Entente wrote its end to the record.`,
      ]
    case 'offered': {
      const { bundle, before, source, findings } = event
      const offered = show`Roots of ${bundle.trustDomain}, from ${source}:\n\n${rootsText(bundle, before, look.columns)}\n`
      return [offered, ...(findings.length === 0 ? [] : [show`${findingsText(findings, look)}\n`])]
    }
    case 'sequence-reset':
      return [show`Sequence numbers of ${event.trustDomain} restart with ${event.from ?? 'the next bundle that has one'}.\n`]
    case 'root-recorded':
      return [`wrote ${join(dirname(file), 'bundles', `${event.trustDomain}.json`)}  (roots of ${event.member})`]
    case 'looking':
      return [`Reading ${event.contexts.join(', ')} …`]
    case 'looked':
      return [
        show`\n${clustersText(event.found, look.columns)}\n`,
        ...(event.findings.length === 0 ? [] : [show`${findingsText(event.findings, look)}\n`]),
      ]
    case 'severed-in':
      return [`${placeOf(event.where, file)} that ${event.truster} no longer trusts ${event.trusted}.`]
    case 'unwritten':
      return [findingsText(event.findings, look)]
    case 'denied':
      return [
        ...event.policies.map((policy) => `${title(policy)} in ${event.member} now denies every identity of ${event.trustDomain}.`),
        ...(event.findings.length === 0 ? [] : [findingsText(event.findings, look)]),
      ]
    case 'closing':
      return [show`\n${planText({ ...event.plan, findings: [] }, look)}\n`]
    case 'nothing-to-close':
      return [show`\nNo Entente object in ${event.truster} accepts ${event.trusted} any more.\n`]
    case 'draining':
      return [event.text]
    case 'rotation-blocked':
      return [show`${findingsText(event.findings, look)}\n`]
    case 'rotation-waits':
      return [waitingText(event.now)]
    case 'rotation-retries':
      return [`${event.because.message}; trying again`]
    case 'lacking':
      return [mountText(event.workloads, look.color)]
    case 'rolling':
      return [`${event.workload.member}: ${objectOf(event.workload)} restarts its pods`]
    case 'rolled':
      return [`${event.workload.member}: ${objectOf(event.workload)} has the mount, after ${Math.round(event.milliseconds / 1000)} s`]
    default:
      return [progressText(event)]
  }
}

const PLACES = { record: 'The record says', 'file-and-record': 'and the record say', 'file-again': 'says again' } as const

const placeOf = (where: (SeverEvent & { kind: 'severed-in' })['where'], file: string): string =>
  where === 'record' ? PLACES[where] : `${file} ${PLACES[where]}`

const objectOf = ({ kind, namespace, name }: Lacking): string => `${kind} ${namespace}/${name}`
