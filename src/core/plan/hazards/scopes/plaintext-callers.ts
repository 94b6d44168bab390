/** Plaintext into a scope. A plaintext caller shows no identity, so `callers` cannot restrict it. */
import { some } from '../../../basics/some.ts'
import { type Finding, warning } from '../../../diagnostics/finding.ts'
import { mtlsDisabled, mtlsNotStrict } from '../../../mesh/mesh-findings.ts'
import { ANY, describeMode, type Effective, isStrict } from '../../../mesh/mtls.ts'
import { keepsTo } from '../../../mesh/plaintext.ts'
import { type Manifest, title } from '../../../model/manifest.ts'
import type { Workloads } from '../../../model/wanted.ts'
import { describeWorkloads, relation } from '../../../model/workloads.ts'
import type { Inbound } from '../../../trust/state.ts'
import type { InboundContext } from '../hazard.ts'
import { type Judged, type Modes, selected } from './mtls-modes.ts'

export interface ModeContext extends InboundContext {
  readonly modes: Modes
}

export function plaintextCallers(context: ModeContext): readonly Finding[] {
  const { scope, modes } = context
  const loose = modes.after.filter(({ mode }) => !keepsTo(mode, scope.plaintext))
  const isLoose = loose.length > 0
  return [
    ...(isLoose ? looser(context, loose) : refused(context)),
    ...(scope.plaintext === undefined ? [] : accepted(context)),
    ...(isLoose || scope.plaintext === 'all' ? [] : mayLoosen(context)),
  ]
}

/** Workloads that accept more plaintext than the federation file allows. */
const looser = ({ scope, where }: ModeContext, loose: readonly Judged[]): readonly Finding[] =>
  loose
    .slice(0, 1)
    .map(({ mode }) =>
      mtlsNotStrict(
        where,
        `${namesOf(scope.at, loose)}: ${describeMode(mode)}`,
        `${remedy(mode, scope)}; mtls: permissive if that is meant`,
      ),
    )

/** Entente's policy takes effect anew: callers without a sidecar are rejected from then on. */
function refused({ scope, modes, view, where }: ModeContext): readonly Finding[] {
  const changes = scope.strict && !modes.strictAlready && !modes.imposed && modes.before.some(({ mode }) => !isStrict(mode))
  if (!changes) return []
  const known = view.bare.length === 0 ? '' : ` (pods without a sidecar that were seen: ${firstNames(view.bare)})`
  return [
    warning(
      'plaintext-refused',
      where,
      `becomes STRICT: callers without a sidecar are refused, such as a Prometheus or a load balancer outside the mesh${known}`,
      'make sure that nothing without a sidecar calls these workloads',
    ),
  ]
}

/** The plaintext that the federation file allows, and its effect. */
function accepted({ at, modes, where }: ModeContext): readonly Finding[] {
  const open = modes.after.filter(({ mode }) => !isStrict(mode))
  const disabled = open.filter(({ mode }) => mode.mode === 'DISABLE' && [...mode.ports.values()].every((port) => port === 'DISABLE'))
  const [first] = open
  const [none] = disabled
  if (none !== undefined) {
    return [
      mtlsDisabled(
        where,
        `${namesOf(at, disabled)}: ${describeMode(none.mode)}`,
        `set ${none.mode.decidedBy ?? 'the PeerAuthentication'} to PERMISSIVE or STRICT, or write mtls: enforce`,
      ),
    ]
  }
  return first === undefined
    ? []
    : [
        warning(
          'plaintext-accepted',
          where,
          `${namesOf(at, open)}: ${describeMode(first.mode)}, as the federation file allows; who comes in plaintext shows no identity, so callers does not hold for them`,
          'write mtls: enforce without exceptions once every caller has a sidecar',
        ),
      ]
}

/** Policies for pods with more labels than the scope names: such a pod may come later, and accept plaintext. */
const mayLoosen = ({ scope, at, modes, where }: ModeContext): readonly Finding[] =>
  modes.others
    .map(({ object }) => ({ object, of: selected(object) }))
    .filter(({ of }) => of.labels !== undefined && relation(of, at) === 'overlapping')
    .flatMap(({ object, of }) => {
      const mode = modes.within({ namespace: of.namespace, labels: { ...at.labels, ...of.labels } })
      if (keepsTo(mode, scope.plaintext)) return []
      return [
        warning(
          'mtls-may-loosen',
          where,
          `${describeMode(mode)}: a pod of ${describeWorkloads(of)} that comes into this scope would take plaintext, too`,
          `set ${title(object)} to STRICT, or keep the two apart`,
        ),
      ]
    })

/** The names of the workloads; for the whole mesh, their namespaces. */
function namesOf({ everywhere }: Workloads, judged: readonly Judged[]): string {
  if (!everywhere) return [...new Set(judged.map(({ subject }) => subject.name))].join(', ')
  const namespaces = [...new Set(judged.map(({ subject }) => subject.namespace))]
  const named = namespaces.filter((name) => name !== ANY)
  const listed = named.length === 0 ? [] : [`namespace ${some(named, 10)}`]
  return [...listed, ...(named.length < namespaces.length ? ['every namespace without a policy of its own'] : [])].join(', and ')
}

function firstNames(pods: readonly Manifest[]): string {
  const names = pods.slice(0, 3).map((pod) => pod.metadata.name)
  return pods.length > 3 ? `${names.join(', ')} and ${pods.length - 3} more` : names.join(', ')
}

function remedy({ decidedBy }: Effective, { at, strict: enforced }: Inbound): string {
  if (at.everywhere) {
    const policy = decidedBy === undefined ? `create a PeerAuthentication STRICT in ${at.namespace}` : `set ${decidedBy} to STRICT`
    return `${policy}, or name the namespaces that are, one entry for each`
  }
  if (decidedBy === undefined) return 'write mtls: enforce, or create a PeerAuthentication with mode STRICT'
  return enforced
    ? `${decidedBy} is older than ours or more specific, so it wins: set it to STRICT, or remove it`
    : `set ${decidedBy} to STRICT, or write mtls: enforce`
}
