/** `audit`: checks the record by itself, and against the head that every home stores. */

import { FederationError } from '../core/diagnostics/errors.ts'
import { error, type Finding, fromError, hasErrors } from '../core/diagnostics/finding.ts'
import { about } from '../core/diagnostics/subject.ts'
import type { Digest } from '../core/model/digest.ts'
import { applyUnfinished } from '../core/record/interrupted-apply.ts'
import { NO_RECORD, type RecordView, unfinished } from '../core/record/projection.ts'
import { checkWitness } from '../core/record/record.ts'
import type { Mesh } from './ports.ts'
import type { Ports } from './use-case.ts'

export interface Audited {
  readonly valid: boolean
  readonly entries: number
  readonly head: Digest | null
  readonly findings: readonly Finding[]
}

type AuditPorts = Pick<Ports, 'desired' | 'record' | 'meshes'>

/** @param offline checks the record alone, and contacts no home */
export async function auditRecord(ports: AuditPorts, { offline = false }: { readonly offline?: boolean }): Promise<Audited> {
  const findings: Finding[] = []
  let view = NO_RECORD
  try {
    await ports.record.mustExist()
    view = await ports.record.view()
    findings.push(...ports.record.findings())
    if (!offline) findings.push(...(await witnesses(ports, view)))
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    findings.push(fromError(thrown))
  }
  findings.push(...endless(view))
  return { valid: !hasErrors(findings), entries: view.hashes.length, head: view.head?.hash ?? null, findings }
}

function endless(view: RecordView): readonly Finding[] {
  const begin = unfinished(view)
  return begin === undefined ? [] : [applyUnfinished(begin)]
}

async function witnesses({ desired, meshes }: AuditPorts, view: RecordView): Promise<readonly Finding[]> {
  const homes = await meshes({ federation: await desired.federation(), givenEvidence: new Map() })
  return (await Promise.all([...homes.values()].map((mesh) => witnessOf(mesh, view)))).flat()
}

async function witnessOf(mesh: Mesh, view: RecordView): Promise<readonly Finding[]> {
  try {
    checkWitness(view, await mesh.witness(), mesh.member)
    return []
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    if (thrown.code === 'record-forked') return [fromError(thrown)]
    const why = thrown.about.kind === 'member' ? thrown.reason : thrown.message
    const message = `Entente could not read the record's head that it stores: ${why}`
    return [error('witness-unseen', about.member(mesh.member), message, 'entente audit verify --offline')]
  }
}
