/** The console as the commands see it. */
import type { Shown } from './print/screen.ts'

export interface Io {
  /** Results: stdout. A string is shown on one line, see screen.ts. */
  readonly print: (text: Shown | string) => void
  /** Everything else: stderr. */
  readonly tell: (text: Shown | string) => void
  /** Stdin and stderr are a terminal, so a person can be asked. */
  readonly interactive: boolean
  readonly color: boolean
  /** How wide the terminal is; absent in a pipe or a file. */
  readonly columns?: number
  readonly now: () => Date
  readonly env: Readonly<Record<string, string | undefined>>
  /** False unless the person answers y. */
  readonly confirm: (question: Shown | string) => Promise<boolean>
  readonly readFile: (path: string) => Promise<Uint8Array>
  /** Set by ^C and SIGTERM: long work ends at the next safe point. */
  readonly stopped: () => boolean
  /** Aborts a moment after that: nothing that a member is to answer is waited for any more. */
  readonly stop?: AbortSignal
  /** How far long work has come: stderr, and no news of what was found. `tell`, where absent. */
  readonly progress?: (text: string) => void
}
export type Output = 'text' | 'json'

/** What the bundle commands need of the world around them. */
export interface BundleWorld {
  /** `-` is stdin. */
  readFile(path: string): Promise<Uint8Array>
  now(): Date
  /** Stdout. */
  print(text: Shown | string): void
  /** Stderr. */
  tell(text: Shown | string): void
  readonly color?: boolean
  readonly columns?: number
}
