/** `init`: writes a federation of clusters, or of members by their names, in which nothing is open yet. */
import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeFolder, mustBeWritable, writeAtomically } from '../../../adapters/files/write-files.ts'
import { init, type NamedMember, type NewMember, type NewPlace } from '../../../app/init/init.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import type { View } from '../../../core/view/schemas.ts'
import { documented } from '../../../core/view/versioned.ts'
import type { LimitOptions } from '../../input/limits.ts'
import { portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { federationText, SCHEMAS } from '../../print/federation/federation-text.ts'
import { fileFlag } from '../../print/layout/file-flag.ts'
import { json, show, stacked } from '../../print/screen.ts'

export interface InitOptions extends LimitOptions {
  readonly context?: readonly string[]
  readonly member?: readonly NamedMember[]
  readonly actor?: string
  readonly out: string
  readonly yes?: boolean
  readonly kubeconfig?: string
  readonly istioNamespace: string
  readonly output: Output
}

export async function run(
  { context: contexts = [], member: named = [], out, istioNamespace, output, ...options }: InitOptions,
  io: Io,
): Promise<number> {
  const file = join(out, 'federation.yaml')
  const members = await init(portsOf({ ...options, file }, io), placeAt(resolve(out), istioNamespace), {
    contexts,
    members: named,
    istioNamespace,
  })
  if (output === 'json') {
    io.print(json(documented('Init', { file, members: members.map(memberView) })))
    return 0
  }
  const from = fileFlag(file)
  const [a = 'cluster-a', b = 'cluster-b'] = members.map(({ name }) => name)
  io.report(
    stacked([
      ...(contexts.length === 0 ? [] : [show`wrote ${join(out, 'audit.jsonl')}`]),
      show`wrote ${file}\n\nNothing is open yet.`,
      ...named.map(({ name }) => show`Approve the roots of ${name}: entente approve ${name}${from} --bundle FILE --fingerprint sha256:…`),
      show`Next: state who may call whom, such as: entente call add ${a}/sample/client ${b}/sample/server${from}`,
    ]),
  )
  return 0
}

const memberView = (member: NewMember): View<'Init'>['members'][number] =>
  'istio' in member
    ? {
        name: member.name,
        trustDomain: member.own.trustDomain,
        context: member.context,
        roots: member.own.anchors.map(({ fingerprint }) => fingerprint),
      }
    : { ...member, context: null, roots: [] }

function placeAt(directory: string, istioNamespace: string): NewPlace {
  const file = join(directory, 'federation.yaml')
  return {
    mustBeNew: async () => {
      await mustBeWritable(directory)
      await mustBeNew(file)
      await mustBeNew(join(directory, 'audit.jsonl'))
    },
    make: () => makeFolder(directory),
    write: async (members) => {
      // An apply creates the folder of a member, and not the folder around it.
      if (members.some((member) => !('istio' in member))) await makeFolder(join(directory, 'clusters'))
      await writeSchemas(join(directory, SCHEMAS))
      await writeAtomically(file, federationText(members, istioNamespace))
    },
  }
}

/** Editors check the file by a schema beside it: every clone has it, and no network is needed. */
async function writeSchemas(folder: string): Promise<void> {
  const { writtenSchemas } = await import('../../../core/view/json-schemas.ts')
  for (const [name, schema] of writtenSchemas()) {
    const path = join(folder, name)
    if (!(await exists(path))) await writeAtomically(path, `${JSON.stringify(schema, null, 2)}\n`)
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function mustBeNew(path: string): Promise<void> {
  if (await exists(path))
    throw new FederationError('usage', about.file(path), 'exists already; init never overwrites it', {
      hint: 'choose another --out, or continue with entente plan',
    })
}
