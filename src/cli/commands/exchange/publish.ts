/** `publish`: writes the objects that publish our bundle, or prints them for Git. */

import { printManifest } from '../../../adapters/directory/layout.ts'
import { answers, type Published, publication, publish } from '../../../app/exchange/publish.ts'
import { printEndpoint } from '../../../core/exchange/invitation.ts'
import type { View } from '../../../core/view/schemas.ts'
import { documented } from '../../../core/view/versioned.ts'
import { mustHaveReason } from '../../input/reason.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { document, json, show } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface PublishOptions extends FileOptions {
  readonly member: string
  readonly render?: boolean
  readonly reason: string
  readonly yes?: boolean
  readonly forceConflicts?: boolean
  readonly output: Output
}

export async function run({ member, render, reason, forceConflicts = false, output, ...options }: PublishOptions, io: Io): Promise<number> {
  const ports = portsOf(options, io)
  if (render === true) {
    const said = await publication(ports, member)
    io.print(output === 'json' ? json(publishView(said)) : document(said.objects.map((object) => printManifest(object)).join('---\n')))
    return 0
  }
  mustHaveReason(reason)
  const published = await publish(ports, { member, reason, forceConflicts })
  const failed = published.applied?.outcome?.findings ?? []
  if (failed.length > 0) {
    if (output === 'json') io.print(json(publishView(published, { findings: failed })))
    else io.report(findingsText(failed, io))
    return 1
  }
  const why = await answers(ports, published)
  if (output === 'json') {
    io.print(json(publishView(published, { answers: why === undefined, findings: why === undefined ? [] : [why] })))
    return why === undefined ? 0 : 1
  }
  io.print(endpointText(published))
  if (why === undefined) {
    io.report(`${published.endpoint.url} answers with sequence ${published.sequence}.`)
    return 0
  }
  io.report(findingsText([why], io))
  io.report(
    'The objects are written, and the endpoint was not reached from this machine. Partners need to reach it: try from their network.',
  )
  return 1
}

function publishView(
  { member, endpoint, sequence, objects, applied }: Published,
  asked: Partial<Pick<View<'Publish'>, 'answers' | 'findings'>> = {},
): View<'Publish'> {
  return documented('Publish', {
    member: member.name,
    bundleEndpoint: printEndpoint(endpoint),
    sequence: sequence?.toString() ?? null,
    objects,
    done: (applied?.outcome?.done ?? []).map(({ id }) => id),
    answers: null,
    findings: [],
    ...asked,
  })
}

/** What partners write. */
function endpointText({ endpoint }: Published) {
  const profile =
    endpoint.profile === 'https_web'
      ? '{ type: https_web }'
      : `{ type: https_spiffe, endpointSPIFFEID: ${JSON.stringify(endpoint.endpointId)} }`
  return show`bundleEndpoint:\n  url: ${JSON.stringify(endpoint.url)}\n  profile: ${profile}`
}
