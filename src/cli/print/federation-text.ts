/** Prints a new federation: its clusters, for people, and the file in which nothing is open yet. */

import { stringify } from 'yaml'
import type { Found } from '../../app/events.ts'
import { trimEndOf } from '../../core/basics/trim.ts'
import { API_VERSION } from '../../core/model/api-version.ts'
import { type Shown, show } from './screen.ts'
import { table } from './text.ts'

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

export function federationText(found: readonly Found[], istioNamespace: string): string {
  const members = found.map(
    ({ name, context, istio }) => `    - name: ${scalar(name)}
      trustDomain: ${scalar(istio.trustDomain)}${istio.aliases.length === 0 ? '' : `\n      trustDomainAliases: [${istio.aliases.map(scalar).join(', ')}]`}${istio.network === undefined ? '' : `\n      network: ${JSON.stringify(istio.network)}`}
      cluster: { context: ${JSON.stringify(context)} }${istioNamespace === 'istio-system' ? '' : `\n      istio: { namespace: ${istioNamespace} }`}`,
  )
  const examples = found.flatMap((truster) => found.filter((other) => other !== truster).map((trusted) => example(truster, trusted)))
  return `# Who trusts whom, in one direction at a time. Entente opens nothing that is not written here.
# What each field means: docs/federation-file.md. Show what it would change: entente plan
apiVersion: ${API_VERSION}
kind: Federation
metadata: { name: ${trimEndOf(
    found
      .map((f) => f.name)
      .join('-')
      .slice(0, 60),
    '-',
  )} }
spec:
  members:
${members.join('\n')}
  trust: []
  # Replace the line above by "trust:" and the entries you want. A call needs both directions: the server's mesh
  # accepts the caller, and the caller's mesh reaches the server. Leave out what you do not need.
  #
${examples.join('\n')}
  severed: []
`
}

/** Every setting for the trust of one mesh in another, as comments that the user can uncomment. */
function example(truster: Found, trusted: Found): string {
  return `  # ${truster.name} trusts ${trusted.name}:
  #  - truster: ${truster.name}
  #    trusted: ${trusted.name}
  #    distribution: pinned # to begin with: nothing to restart. Where roots change often: mounted (docs/mounted.md)
  #    accept: # callers of ${trusted.name} that come in
  #      - { namespace: sample, selector: { app: server }, mtls: enforce, callers: [${trusted.istio.trustDomain}/ns/sample/sa/client] }
  #    reach: # services of ${trusted.name} that our workloads call
  #      - { namespace: sample, selector: { app: client }, services: [{ host: server.sample.svc.cluster.local, servedBy: [${trusted.istio.trustDomain}/ns/sample/sa/server] }] }`
}
