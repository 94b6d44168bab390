/** The inputs of a command: the federation file, the files beside it in Git, and the members' homes. */
import { setTimeout } from 'node:timers/promises'
import { actorHere } from '../../adapters/actor.ts'
import { readFederationFile } from '../../adapters/files/federation-file.ts'
import { bundleFolder, federationFile, folderOf, openRecord } from '../../adapters/files/federation-folder.ts'
import { followFile } from '../../adapters/files/follow-file.ts'
import type { Ports } from '../../app/use-case.ts'
import type { Federation } from '../../core/model/wanted.ts'
import type { Io } from '../io.ts'
import { eventReporter } from '../print/event-text.ts'
import { withAccepted } from './accepted.ts'
import { agreement, type Consenting } from './agreement.ts'
import { observeCluster } from './cluster.ts'
import { inContexts, readGivenEvidence } from './evidence-input.ts'
import { meshesOf } from './homes.ts'
import type { HomeOptions } from './limits.ts'
import { templatesOf } from './templates.ts'

export { openRecord } from '../../adapters/files/federation-folder.ts'

export interface FileOptions extends HomeOptions {
  /** Evidence files about members that are a directory here. */
  readonly evidence?: readonly string[]
  /** For whom a CI job acts; written to the record as claimed. */
  readonly actor?: string
  /** `MEMBER=CONTEXT`: the context of a member, which overrides the file. */
  readonly context?: readonly string[]
  /** Codes that mean only that Entente could not look; in addition to `spec.expect`. */
  readonly accept?: readonly string[]
}

/** @throws FederationError file-unreadable, federation-invalid */
const openFederation = async ({ file, context, accept }: FileOptions): Promise<Federation> =>
  withAccepted(inContexts(await readFederationFile(file), context ?? []), accept ?? [])

/** One fetch of a bundle endpoint, all redirects together. */
const FETCH = { timeoutMilliseconds: 5_000 }
const fetching = () => import('../../adapters/bundle-endpoint/fetch.ts')

const sleep = (milliseconds: number): Promise<void> => setTimeout(milliseconds)

/** All ports of the use cases, as files, clusters and this console. */
export function portsOf(options: FileOptions & Consenting, io: Io): Ports {
  const directory = folderOf(options.file)
  return {
    desired: { ...federationFile(options.file, sleep), federation: () => openFederation(options) },
    bundles: bundleFolder(directory),
    record: openRecord(directory),
    memories: followFile(directory),
    endpoints: {
      fetch: async (endpoint) => (await fetching()).fetchServed(endpoint, FETCH),
      fetchUnverified: async (url) => (await fetching()).fetchUnverified(url, FETCH),
    },
    evidence: (federation, record) => readGivenEvidence(options.evidence ?? [], federation, record, io),
    meshes: (of, only) => meshesOf(of, options, io, only),
    templates: (federation) => templatesOf(federation, options, io),
    observeCluster: (context, istioNamespace) => observeCluster(context, { ...options, istioNamespace }, io),
    publicRoots,
    actor: actorHere(io.env.USER, options.actor),
    now: io.now,
    sleep,
    stopped: io.stopped,
    report: eventReporter(io, options.file),
    agree: agreement(options, io),
  }
}

/** The public web roots that Node ships. */
async function publicRoots(): ReturnType<Ports['publicRoots']> {
  const [{ rootCertificates }, { publicRoots }] = await Promise.all([import('node:tls'), import('../../core/record/judge-offer.ts')])
  return publicRoots(rootCertificates)
}
