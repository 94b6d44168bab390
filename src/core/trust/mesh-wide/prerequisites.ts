/** Checks the Istio settings that `mesh` requires, and reports the limits of `mesh`. */

import { asWarning, error, type Finding, warning } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import { agentsIn, workloads, xdsAgentFindings } from '../../mesh/agents.ts'
import { ownersOf, whoSets } from '../../mesh/config-owner.ts'
import { mtlsNotStrict, xdsAgentOff } from '../../mesh/mesh-findings.ts'
import { viewOf } from '../../mesh/mesh-view.ts'
import { describeMode, effectiveMode, isStrict } from '../../mesh/mtls.ts'
import type { IstioFacts, Observation } from '../../model/observed.ts'
import type { Intent, MemberName } from '../../model/wanted.ts'
import { SHARED_MESH_CONFIG } from './mesh-roots.ts'

export function checkMeshWide(intent: Intent, seen: Observation): readonly Finding[] {
  const meshWide = intent.trusts.filter((trust) => trust.meshWide !== undefined)
  if (meshWide.length === 0) return []
  const { name } = intent.member
  return [
    ...meshWide.map((trust) =>
      warning(
        'roots-not-bound',
        about.trust(trust),
        `Istio keeps one list of roots and binds none to a trust domain: whoever holds a CA key of ${trust.trustDomain} can sign an identity of ${intent.member.trustDomain}, or of any domain in the list, and every workload that no filter of ours covers takes it`,
        'pin what matters: a second trust of the same pair with distribution pinned or mounted',
      ),
    ),
    ...(intent.member.home?.context === undefined
      ? []
      : [...istiods(name, seen), ...hidden(name, seen), ...agents(name, seen), ...strictness(intent, seen)]),
  ]
}

const revisionsOf = (istiods: IstioFacts['istiods']): readonly string[] => istiods.map(({ revision }) => revision)

/** Checks each revision separately: each has its own environment and mesh config. */
function istiods(name: MemberName, seen: Observation): readonly Finding[] {
  if (!seen.istio.ok) return []
  const { istiods, configOwners } = seen.istio.value
  return istiods.flatMap(({ pod, revision, env }): Finding[] => {
    const remedy = whoSets([revision], configOwners)
    const which = about.istiod({ pod, revision }, name)
    return [
      ...(env.ISTIO_MULTIROOT_MESH === 'true'
        ? []
        : [error('multiroot-off', which, 'runs without ISTIO_MULTIROOT_MESH=true: it hands out no roots but its own', remedy)]),
      ...(env.SHARED_MESH_CONFIG === SHARED_MESH_CONFIG
        ? []
        : [
            error(
              'shared-mesh-config',
              which,
              env.SHARED_MESH_CONFIG === undefined
                ? `reads no shared mesh config: it would never see ConfigMap ${SHARED_MESH_CONFIG}`
                : `reads the shared mesh config ${env.SHARED_MESH_CONFIG}, not ${SHARED_MESH_CONFIG}`,
              remedy,
            ),
          ]),
    ]
  })
}

/**
 * If two mesh configs set `caCertificates`, Istio uses that of the base (pkg/config/mesh/mesh.go ApplyMeshConfig,
 * eed52ebb66ad).
 */
function hidden(name: MemberName, seen: Observation): readonly Finding[] {
  if (!seen.istio.ok) return []
  const { extraRoots, hidesRoots = extraRoots > 0, istiods, configOwners } = seen.istio.value
  if (!hidesRoots) return []
  const what = extraRoots === 0 ? 'to an empty list' : extraRoots === 1 ? 'with 1 entry' : `with ${extraRoots} entries`
  const whose = ownersOf(revisionsOf(istiods), configOwners)
  return [
    error(
      'shared-roots-hidden',
      about.member(name),
      `its own mesh config sets caCertificates (${what}), which hides those of ConfigMap ${SHARED_MESH_CONFIG}: no proxy would ever be sent these roots`,
      `${whose === '' ? '' : `${whose}: `}take caCertificates out of it${extraRoots === 0 ? '' : ', and federate those domains here'}`,
    ),
  ]
}

/** Running pods follow their own environment. New pods follow the mesh config. */
function agents(name: MemberName, seen: Observation): readonly Finding[] {
  const agents = agentsIn(seen)
  if (!agents.ok) return seen.objects.ok ? [asWarning(agents.error)] : []
  const { pods, withoutXdsAgent } = agents.value
  if (!seen.istio.ok || seen.istio.value.xdsAgent === true) return xdsAgentFindings(name, withoutXdsAgent)
  const { istiods, configOwners } = seen.istio.value
  if (withoutXdsAgent.length === 0 && pods.length > 0) return []
  return [
    xdsAgentOff(
      name,
      `its mesh config does not set PROXY_CONFIG_XDS_AGENT (${withoutXdsAgent.length === 0 ? 'no sidecar was seen' : workloads(withoutXdsAgent)})`,
      `${whoSets(revisionsOf(istiods), configOwners)}; pods take it with their next restart`,
    ),
  ]
}

/**
 * Checks mtls `require` for a workload without labels anywhere in the mesh. The root namespace's policy decides for it.
 */
function strictness(intent: Intent, seen: Observation): readonly Finding[] {
  if (!seen.istio.ok || intent.trusts.every((trust) => trust.meshWide === undefined || trust.meshWide.mtls === 'permissive')) return []
  const { rootNamespace } = seen.istio.value
  const policies = viewOf(seen).of('PeerAuthentication')
  const mode = effectiveMode({ namespace: rootNamespace, labels: {} }, policies, rootNamespace)
  return isStrict(mode)
    ? []
    : [
        mtlsNotStrict(
          about.scope('all workloads of the mesh', intent.member.name),
          `${describeMode(mode)}, wherever no other policy says otherwise`,
          `a PeerAuthentication with mode STRICT in ${rootNamespace}; or write mtls: permissive`,
        ),
      ]
}
