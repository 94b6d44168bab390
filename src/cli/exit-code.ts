/** The exit code of a command that looks at a federation (docs/cli.md). */
import type { Outlook } from '../core/diagnostics/expectations.ts'

/** @param pending there are steps that `apply` would carry out */
export function exitCodeOf(outlook: Outlook, pending = false): 0 | 1 | 2 | 3 {
  if (outlook === 'wrong') return 1
  if (outlook === 'unseen') return 3
  return pending ? 2 : 0
}
