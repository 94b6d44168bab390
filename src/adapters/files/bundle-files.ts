/** `bundles/<trust-domain>.json`: the approved roots of each trust domain, as SPIFFE bundles in Git. */

import { join } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { fromError, withSubject } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Approved } from '../../core/federation/intents.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Federation } from '../../core/model/wanted.ts'
import { type Bundle, printBundle } from '../../core/spiffe/bundle.ts'
import { parseBundle } from '../../core/spiffe/parse-bundle.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { placeIn, readIfThere, writeAtomically } from './write-files.ts'

const MAX_BYTES = 16 * 1024 * 1024

export const bundlePath = (directory: string, domain: TrustDomain): string => join(directory, 'bundles', `${domain}.json`)

/** The bundles of all members. A domain without a file is left out; for an unreadable one, the error is returned. */
export async function readBundles(directory: string, federation: Federation, now: Date): Promise<Approved> {
  const domains = [...new Set([...federation.members.values()].map((member) => member.trustDomain))]
  const read = await Promise.all(
    domains.map(async (domain) => [domain, await readBundle(bundlePath(directory, domain), domain, now, directory)] as const),
  )
  return new Map(read.flatMap(([domain, seen]) => (seen === undefined ? [] : [[domain, seen] as const])))
}

/**
 * The SPIFFE bundle in a file, or the error if it is none; undefined if there is no file.
 * @param folder links out of it are not followed; absent if the operator named the path
 */
export async function readBundle(path: string, domain: TrustDomain, now: Date, folder?: string): Promise<Seen<Bundle> | undefined> {
  try {
    const file = await readIfThere(folder === undefined ? path : await placeIn(folder, path), MAX_BYTES)
    // An expired root must block neither the other roots nor steps that only close.
    return file && { ok: true, value: parseBundle(domain, file, { now, format: 'spiffe', tolerate: 'dates' }) }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { ok: false, error: withSubject(fromError(cause), about.file(path)) }
  }
}

/** @throws FederationError file-unwritable; file-unreadable if the path leads out of the directory */
export async function writeBundle(directory: string, bundle: Bundle): Promise<void> {
  await writeAtomically(await placeIn(directory, bundlePath(directory, bundle.trustDomain)), printBundle(bundle))
}
