/** Names for the shell's completion that have to be read from files: members and contexts. */
import { join } from 'node:path'
import type { Io } from '../io.ts'
import type { Names } from './candidates.ts'

/** An unreadable file yields no candidates: an error would disturb the user's command line. */
export function namesBeside(typed: readonly string[], io: Io): Names {
  const given = (names: readonly string[]): string | undefined => typed[typed.findIndex((word) => names.includes(word)) + 1 || -1]
  const yaml = async (path: string): Promise<unknown> => {
    const { parseYaml, plainValue } = await import('../../adapters/files/federation-yaml.ts')
    return plainValue(parseYaml(path, Buffer.from(await io.readFile(path)).toString()))
  }
  const namesIn = async (
    path: string,
    list: (document: Listed) => readonly { readonly name?: unknown }[] | undefined,
  ): Promise<string[]> => {
    try {
      return (list((await yaml(path)) as Listed) ?? []).flatMap(({ name }) => (typeof name === 'string' ? name : []))
    } catch {
      return []
    }
  }
  return {
    members: () => namesIn(given(['-f', '--file']) ?? 'federation.yaml', (document) => document.spec?.members),
    contexts: async () => {
      const named = given(['--kubeconfig'])
      const paths = named === undefined ? (io.env.KUBECONFIG ?? join(io.env.HOME ?? '', '.kube', 'config')).split(':') : [named]
      return (await Promise.all(paths.filter((path) => path !== '').map((path) => namesIn(path, ({ contexts }) => contexts)))).flat()
    },
  }
}

interface Listed {
  readonly spec?: { readonly members?: readonly { readonly name?: unknown }[] }
  readonly contexts?: readonly { readonly name?: unknown }[]
}
