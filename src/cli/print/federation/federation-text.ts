/** Prints a new federation: its clusters, for people, and the file in which nothing is open yet. */

import { stringify } from 'yaml'
import type { Found } from '../../../app/events.ts'
import type { NewMember } from '../../../app/init/init.ts'
import { trimEndOf } from '../../../core/basics/trim.ts'
import { API_VERSION } from '../../../core/model/api-version.ts'
import { type Shown, show } from '../screen.ts'
import { table } from '../text.ts'

export function clustersText(found: readonly Found[], columns?: number): Shown {
  const rows = found.map(({ name, istio }) => [
    name,
    istio.trustDomain,
    istio.meshId ?? '-',
    istio.network ?? '-',
    [...new Set(istio.istiods.map((istiod) => istiod.revision))].join(', ') || '-',
  ])
  const roots = found.flatMap(({ name, own }) =>
    own.anchors.map((anchor) => [
      name,
      anchor.fingerprint,
      anchor.notAfter.toISOString().slice(0, 10),
      anchor.subject.replaceAll('\n', ', '),
    ]),
  )
  return show`${table([['MEMBER', 'TRUST DOMAIN', 'MESH', 'NETWORK', 'REVISIONS'], ...rows], columns)}\n\n${table([['MEMBER', 'ROOT', 'UNTIL', 'SUBJECT'], ...roots], columns)}`
}

/** Quotes a name if YAML would read it as another type: some names look like numbers. */
const scalar = (name: string): string => stringify(name).trimEnd()

/** @param members with a context, or delivered by Git */
export function federationText(members: readonly NewMember[], istioNamespace: string): string {
  const name = trimEndOf(
    members
      .map((member) => member.name)
      .join('-')
      .slice(0, 60),
    '-',
  )
  const [a = 'cluster-a', b = 'cluster-b'] = members.map((member) => member.name)
  return `# yaml-language-server: $schema=${SCHEMAS}/federation.json
# Who may call whom. Entente opens nothing that is not written here. Show what it would change: entente plan
apiVersion: ${API_VERSION}
kind: Federation
metadata: { name: ${scalar(name)} }
spec:
  members:
${members.map((member) => memberText(member, istioNamespace)).join('\n')}
  defaults:
    distribution: pinned # nothing to restart; mounted: one restart per pod, then root changes drain no connection
    mtls: enforce # the called workloads accept no plaintext; permissive: they also accept plaintext, which has no identity
  calls: # entente call add ${a}/sample/client ${b}/sample/server
    # - from: ${a}/sample/client # MEMBER/NAMESPACE/NAME: pods with the label app: NAME and the service account NAME
    #   to: ${b}/sample/server # they accept that caller, and serve it as server.sample.svc.cluster.local
  severed: []
`
}

/** The folder of the schemas, beside the federation file: editors complete and check its fields. */
export const SCHEMAS = 'schemas'

function memberText(member: NewMember, istioNamespace: string): string {
  if (!('istio' in member))
    return `    - name: ${scalar(member.name)}
      trustDomain: ${scalar(member.trustDomain)}
      cluster: { directory: ${JSON.stringify(`clusters/${member.name}`)} } # Git delivers it; remove the line if the member is only trusted`
  const { name, context, istio } = member
  return `    - name: ${scalar(name)}
      trustDomain: ${scalar(istio.trustDomain)}${istio.aliases.length === 0 ? '' : `\n      trustDomainAliases: [${istio.aliases.map(scalar).join(', ')}]`}${istio.network === undefined ? '' : `\n      network: ${JSON.stringify(istio.network)}`}
      cluster: { context: ${JSON.stringify(context)} }${istioNamespace === 'istio-system' ? '' : `\n      istio: { namespace: ${istioNamespace} }`}`
}
