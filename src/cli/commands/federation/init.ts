/** `init`: observes the clusters and writes a federation in which nothing is open yet. */
import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeFolder, mustBeWritable, writeAtomically } from '../../../adapters/files/write-files.ts'
import { init, type NewPlace } from '../../../app/init/init.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { LimitOptions } from '../../input/limits.ts'
import { portsOf } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { federationText } from '../../print/federation-text.ts'
import { show } from '../../print/screen.ts'

export interface InitOptions extends LimitOptions {
  readonly context: readonly string[]
  readonly out: string
  readonly yes?: boolean
  readonly kubeconfig?: string
  readonly istioNamespace: string
}

export async function run({ context: contexts, out, istioNamespace, ...options }: InitOptions, io: Io): Promise<number> {
  const file = join(out, 'federation.yaml')
  await init(portsOf({ ...options, file }, io), placeAt(resolve(out), istioNamespace), { contexts, istioNamespace })
  io.tell(
    show`wrote ${join(out, 'audit.jsonl')}\nwrote ${file}\n\nNothing is open yet. Write into federation.yaml who may call whom. Next: entente plan -f ${file}`,
  )
  return 0
}

function placeAt(directory: string, istioNamespace: string): NewPlace {
  const file = join(directory, 'federation.yaml')
  return {
    mustBeNew: async () => {
      await mustBeWritable(directory)
      await mustBeNew(file)
      await mustBeNew(join(directory, 'audit.jsonl'))
    },
    make: () => makeFolder(directory),
    write: (members) => writeAtomically(file, federationText(members, istioNamespace)),
  }
}

async function mustBeNew(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (exists)
    throw new FederationError('usage', path, 'exists already; init never overwrites it', {
      hint: 'choose another --out, or continue with entente plan',
    })
}
