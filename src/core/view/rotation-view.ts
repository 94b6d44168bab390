/** The JSON of `rotate`. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Rotation } from '../rotation/phases.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

/** @param next the next action of the owner, as a sentence */
export const rotationView = (now: Rotation, findings: readonly Finding[], next: string): View<'Rotation'> =>
  documented('Rotation', {
    member: now.member,
    trustDomain: now.trustDomain,
    phase: now.phase,
    staying: now.staying,
    leaving: now.leaving,
    signs: now.signs ?? null,
    gates: now.gates,
    drained: now.drained?.toISOString() ?? null,
    next,
    findings,
  })
