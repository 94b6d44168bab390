/** The questions that need consent before anything is written. */
import type { Question } from '../../app/questions.ts'
import { numbersText } from './exchange/invitation-text.ts'
import { type Shown, show } from './screen.ts'

export function questionText(question: Question): Shown | string {
  switch (question.kind) {
    case 'carry-out':
      return show`\nCarry out ${question.steps === question.of ? 'these' : `${question.steps} of these`} steps?`
    case 'approve':
      return `Approve this bundle for ${question.member}?`
    case 'begin':
      return 'Are these the roots of your meshes? They are approved as read from their own API servers.'
    case 'remove':
      return show`\nCarry out these steps, which end all trust that Entente holds in ${question.members.join(', ')}?`
    case 'gone':
      return `Do the homes of ${question.members.join(', ')} not exist any more? Entente looks at nothing, and writes your word to the record.`
    case 'sever':
      return `${question.truster} stops trusting ${question.trusted} now, until somebody lifts the sever. Continue?`
    case 'lift': {
      const said = `${question.at.toISOString()}${question.by === undefined ? '' : ` by ${question.by}`}: ${question.reason}`
      return `The sever of ${question.truster} trusting ${question.trusted} (${said}) will be lifted. Nothing opens before a new approval and an apply. Continue?`
    }
    case 'abort-rotation':
      return `${question.member} keeps ${question.leaving.join(', ')} and retires ${question.staying.join(', ')}. Continue?`
    case 'refuse':
      return `Refuse ${question.roots.join(', ')} of ${question.member}?`
    case 'accept-invitation':
      return show`\n${numbersText(question.numbers)}\nDoes the owner read out the same numbers, over another channel than the one that the file came by?`
    case 'roll-out':
      return show`\nRestart the pods of these ${question.workloads} workloads, one workload after the other?`
  }
}
