/** The directory where the demo leaves its files: like the one that an owner keeps in Git. */

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, makeFolder, writeAtomically } from '../adapters/files/write-files.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { about } from '../core/diagnostics/subject.ts'
import { API_VERSION } from '../core/model/api-version.ts'
import type { Authority } from './authority.ts'

const MARK = '.entente-demo'
/** Everything that a demo creates. In an earlier demo's directory, nothing else is changed. */
const MADE = ['federation.yaml', 'audit.jsonl', 'bundles', 'clusters', 'from-owners', 'tampered']

/**
 * Creates the directory, or removes an earlier demo from it.
 * @throws FederationError file-unwritable: it holds other files, or cannot be written
 */
export async function prepare(directory: string): Promise<void> {
  try {
    await makeFolder(directory)
    const there = await readdir(directory)
    if (there.length > 0 && !there.includes(MARK)) {
      throw new FederationError('file-unwritable', about.file(directory), 'is not empty, and no earlier demo created it', {
        hint: 'name another directory: entente demo --out DIR',
      })
    }
    await Promise.all(MADE.map((name) => rm(join(directory, name), { recursive: true, force: true })))
    await writeFile(join(directory, MARK), 'entente demo made this directory, and replaces what it made when it runs again.\n')
    await mkdir(join(directory, 'clusters'))
  } catch (cause) {
    throw cause instanceof FederationError ? cause : fileError('file-unwritable', directory, cause)
  }
}

/** Writes the owner's PEM file, as received by mail. @returns its path */
export async function receiveRoot(directory: string, member: string, authority: Authority): Promise<string> {
  const path = join(directory, 'from-owners', `${member}-root.pem`)
  await writeAtomically(path, authority.rootPem)
  return path
}

export const writeFederation = (directory: string): Promise<void> => writeAtomically(join(directory, 'federation.yaml'), FEDERATION)

const FEDERATION = `# Two meshes that keep their own root CAs. Entente opens nothing that is not written here.
apiVersion: ${API_VERSION}
kind: Federation
metadata:
  name: demo
spec:
  members:
    - name: cluster-a
      trustDomain: cluster-a.example
      cluster: { directory: clusters/a } # a Git tree of manifests, no API server
    - name: cluster-b
      trustDomain: cluster-b.example
      cluster: { directory: clusters/b }
  trust:
    - truster: cluster-b
      trusted: cluster-a
      distribution: pinned
      accept: # b/server lets a/client in, and nobody else of cluster-a
        - { namespace: sample, selector: { app: server }, mtls: enforce, callers: [cluster-a.example/ns/sample/sa/client] }
      reach: # b/reports calls a/orders
        - namespace: sample
          selector: { app: reports }
          services: [{ host: orders.sample.svc.cluster.local, servedBy: [cluster-a.example/ns/sample/sa/orders] }]
    - truster: cluster-a
      trusted: cluster-b
      distribution: pinned
      accept:
        - { namespace: sample, selector: { app: orders }, mtls: enforce, callers: [cluster-b.example/ns/sample/sa/reports] }
      reach: # whoever runs in the namespace may call b/server; whom it lets in is up to cluster-b
        - namespace: sample
          services: [{ host: server.sample.svc.cluster.local, servedBy: [cluster-b.example/ns/sample/sa/server] }]
  severed: []
`
