/** The console, as the commands use it. */
import type { Look } from './print/layout/look.ts'
import type { Shown } from './print/screen.ts'

export interface Io extends Look {
  /** Results: stdout. A string is printed on one line, see screen.ts. */
  readonly print: (text: Shown | string) => void
  /** Everything else: stderr. */
  readonly report: (text: Shown | string) => void
  /** Stdin and stderr are a terminal, so a person can be asked. */
  readonly interactive: boolean
  /** `-o json`: an error is printed as JSON, too. */
  readonly json?: boolean
  readonly now: () => Date
  readonly env: Readonly<Record<string, string | undefined>>
  /** True only if the person answers y or yes. */
  readonly confirm: (question: Shown | string) => Promise<boolean>
  readonly readFile: (path: string) => Promise<Uint8Array>
  /** Set by ^C and SIGTERM: long work ends at the next safe point. */
  readonly stopped: () => boolean
  /** Aborts a moment after that: from then on, no answer of a member is waited for. */
  readonly stop?: AbortSignal
  /** The progress of long work, on stderr; it contains no findings. `report`, if absent. */
  readonly progress?: (text: string) => void
}
export type Output = 'text' | 'json'

/** The environment that the bundle commands need. */
export interface BundleWorld extends Look {
  /** `-` is stdin. */
  readFile(path: string): Promise<Uint8Array>
  now(): Date
  /** Stdout. */
  print(text: Shown | string): void
  /** Stderr. */
  report(text: Shown | string): void
}
