/** Second opinions: openssl, and Go programs (crypto/x509 and go-spiffe; Istio's own code). For e2e only; both must be installed. */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { printPem } from '../../src/core/x509/pem.ts'

const run = promisify(execFile)

export interface Answer {
  readonly ok: boolean
  readonly error?: string
  readonly roots: number
  readonly sequence: number
  readonly url?: string
}

/** A program that answers a line of JSON with a line of JSON. */
export interface Opinion<Request, Answer> {
  ask(request: Request): Promise<Answer>
  close(): Promise<void>
}

export type Go = Opinion<Readonly<Record<string, unknown>>, Answer>

const PROGRAM = new URL('../testbed/go-spiffe', import.meta.url).pathname

/**
 * Builds and starts it: seconds when Go's cache is warm, a minute else.
 * @param hosts names that it resolves to these addresses, in a mount namespace of its own
 */
export async function startGo(hosts: Readonly<Record<string, string>> = {}): Promise<Go> {
  const directory = await mkdtemp(join(tmpdir(), 'entente-go-'))
  const binary = join(directory, 'opinions')
  await run('go', ['build', '-o', binary, '.'], { cwd: PROGRAM })
  const names = join(directory, 'hosts')
  await writeFile(
    names,
    Object.entries(hosts)
      .map(([name, address]) => `${address} ${name}\n`)
      .join(''),
  )
  const inside = ['unshare', '-m', 'sh', '-c', 'mount --bind "$1" /etc/hosts && exec "$2"', 'sh', names, binary]
  const go = startOpinion<Readonly<Record<string, unknown>>, Answer>(...(Object.keys(hosts).length === 0 ? [binary] : inside))
  return {
    ask: go.ask,
    async close() {
      await go.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Istio's result for the layers of a mesh config: `mesh` as JSON, or the error of its rejection. */
export type MeshOpinion = Opinion<readonly string[], { readonly mesh?: Readonly<Record<string, unknown>>; readonly error?: string }>

export function startOpinion<Request, Answer>(binary = '', ...args: readonly string[]): Opinion<Request, Answer> {
  const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let turn: Promise<unknown> = Promise.resolve()
  const ask = async (request: Request): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    const { value } = await answers.next()
    return JSON.parse(String(value)) as Answer
  }
  return {
    ask: (request) => {
      const answer = turn.then(() => ask(request))
      turn = answer.catch(() => undefined)
      return answer
    },
    async close() {
      child.kill()
    },
  }
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** `openssl verify`, its words when it refuses. */
export async function opensslVerify(roots: readonly Uint8Array[], chain: readonly Uint8Array[], at: Date): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'entente-openssl-'))
  const file = async (name: string, ders: readonly Uint8Array[]): Promise<string> => {
    await writeFile(join(directory, name), ders.map(printPem).join(''))
    return join(directory, name)
  }
  try {
    const [leaf, ...others] = chain
    const untrusted = others.length === 0 ? [] : ['-untrusted', await file('untrusted.pem', others)]
    const args = [
      '-no-CApath',
      '-no-CAstore',
      '-partial_chain',
      '-attime',
      String(at.getTime() / 1000),
      '-CAfile',
      await file('roots.pem', roots),
      ...untrusted,
    ]
    await run('openssl', ['verify', ...args, await file('leaf.pem', leaf === undefined ? [] : [leaf])])
    return undefined
  } catch (cause) {
    return String((cause as { stderr?: string }).stderr ?? cause)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
