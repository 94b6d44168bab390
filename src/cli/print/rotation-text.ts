/** Prints the state of a rotation, for people and for programs. */
import { stillHeld } from '../../app/rotate/still-held.ts'
import { type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import type { Gate } from '../../core/model/planned.ts'
import type { Rotation } from '../../core/rotation/phases.ts'
import { short } from './layout/fingerprints.ts'
import type { Look } from './layout/look.ts'
import { type Shown, show, stacked } from './screen.ts'
import { findingsText, painter } from './text.ts'

export function rotationText(now: Rotation, findings: readonly Finding[], look: Look = {}): Shown {
  const paint = painter(look.color)
  const line = (what: string, roots: readonly string[]): string[] =>
    roots.map((root) => `  ${what} ${root}${root === now.signs ? '   (its CA signs under it)' : ''}`)
  const gates = now.gates.map(({ needs, root, open, waitingFor }) => {
    const what = needs === 'held' ? `every proxy holds ${short(root)}` : `no certificate is under ${short(root)}`
    return stacked([
      show`  ${open ? paint('green', 'open') : paint('yellow', 'waits')} ${what}`,
      ...waitingFor.map((who) => `          ${who}`),
    ])
  })
  return stacked([
    show`${now.member}: ${paint('bold', now.phase)}`,
    ...line('stays ', now.staying),
    ...line('leaves', now.leaving),
    ...gates,
    `next: ${nextOf(now, findings)}`,
    ...(findings.length === 0 ? [] : ['', findingsText(findings, look)]),
  ])
}

/** An error stops a rotation, whatever its phase. */
function nextOf(now: Rotation, findings: readonly Finding[]): string {
  if (!hasErrors(findings)) return nextStep(now)
  return now.phase === 'steady' ? 'correct what the errors below name' : `correct what the errors below name; then ${nextStep(now)}`
}

/** What the member's owner does next. */
export function nextStep({ member, phase, leaving, gates, drained }: Rotation): string {
  const again = `entente rotate ${member}`
  const waits = (needs: Gate['needs']): boolean => gates.some((gate) => gate.needs === needs && !gate.open)
  switch (phase) {
    case 'introducing':
      return `${again}, until every proxy holds the roots that stay`
    case 'switch':
      return `its owner switches the CA to the root that stays, and keeps ${leaving.map(short).join(', ')} in its bundle; then ${again}`
    case 'draining':
      return `wait until ${drained?.toISOString() ?? 'the last certificate under the old root has expired'}; then ${again}`
    case 'retire':
      return waits('unused') ? `its owner removes ${leaving.map(short).join(', ')} from its CA's bundle; then ${again}` : again
    case 'unknown':
      return `mend what could not be observed, named below; then entente rotate ${member} --status`
    case 'steady':
      return `nothing; to rotate, the owner announces a new root beside the old one, then ${again}`
  }
}

export const waitingText = (now: Rotation): string => {
  const gates = now.gates.filter((gate) => !gate.open && (now.phase === 'introducing') === (gate.needs === 'held'))
  const held = stillHeld(now).map(({ subject, message }) => `${subject}: ${message}`)
  const who = [...new Set([...gates.flatMap((gate) => gate.waitingFor), ...held])]
  return `${now.member}: ${now.phase}${who.length === 0 ? '' : `; waiting for ${who.join('; ')}`}${now.phase === 'switch' || now.phase === 'steady' ? `; next: ${nextStep(now)}` : ''}`
}
