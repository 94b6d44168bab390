/** Finds manifests whose effect differs from what they appear to do, and offers a federation in place of inert settings. */

import type { Included } from '../../core/federation/expand/included.ts'
import { type LintResult, lint } from '../../core/lint/lint.ts'
import type { LintFile, Source } from '../../core/lint/source.ts'
import type { Anchor } from '../../core/x509/anchor.ts'
import type { Ports } from '../use-case.ts'

export interface LintInput {
  readonly files: readonly LintFile[]
  /** The federation to compare the manifests with. */
  readonly federation?: Source
  /** The files that it includes. */
  readonly included?: ReadonlyMap<string, Included>
  /** The member of these manifests; absent: derived from their mesh config. */
  readonly member?: string
  /** The current roots of the mesh, to compare with a cacerts Secret. Empty: unknown. */
  readonly known: readonly Anchor[]
}

export const lintManifests = ({ now }: Pick<Ports, 'now'>, { files, known, ...context }: LintInput): LintResult =>
  lint(files, { now: now(), ...context, ...(known.length === 0 ? {} : { known }) })

/** A file that does not exist yet. */
export interface NewFile {
  /** @throws FederationError file-unwritable, also if it exists: it may be somebody's federation */
  create(text: string): Promise<void>
}

/** Writes the federation that replaces inert settings. @returns whether there is one */
export async function saveReplacement({ replacement }: LintResult, place: NewFile): Promise<boolean> {
  if (replacement !== undefined) await place.create(replacement.federation)
  return replacement !== undefined
}
