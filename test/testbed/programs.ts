/** Programs that run inside a pod's network, as processes of their own: TypeScript, by the Node that runs us. */
import path from 'node:path'

const REPOSITORY = path.resolve(import.meta.dirname, '../..')

/** Node resolves `--import tsx` from the working directory, so a program must start in `cwd`. */
export const programArgs = (
  program: string,
  ...args: readonly string[]
): { readonly command: readonly string[]; readonly cwd: string } => ({
  command: [process.execPath, '--import', 'tsx', path.join(import.meta.dirname, 'programs', program), ...args],
  cwd: REPOSITORY,
})
