/** `completion`: prints a script for the shell, which runs entente at each press of Tab; and prints those answers. */
import type { Command } from 'commander'
import { candidates } from '../../input/candidates.ts'
import { namesBeside } from '../../input/completion-names.ts'
import type { Io } from '../../io.ts'
import { document, show, stacked } from '../../print/screen.ts'
import { COMPLETION_SCRIPTS, type Shell } from '../../print/tool/completion-scripts.ts'

export async function run(shell: Shell, io: Io): Promise<number> {
  io.print(document(COMPLETION_SCRIPTS[shell]))
  return 0
}

/**
 * One candidate per line, with a tab before its description. The last line is `:0` if the shell may add file names, else
 * `:4`. That is the protocol of `kubectl_complete-NAME` (kubernetes staging/src/k8s.io/kubectl/pkg/cmd/plugin).
 */
export async function complete(root: Command, typed: readonly string[], io: Io): Promise<number> {
  const found = await candidates(root, typed, namesBeside(typed, io))
  const lines = found.words.map(({ word, about }) => (about === '' ? word : show`${word}\t${about}`))
  io.print(stacked([...lines, found.files ? ':0' : ':4']))
  return 0
}
