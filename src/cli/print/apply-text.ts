import type { Outcome, Progress } from '../../app/world.ts'
import { title } from '../../core/model/manifest.ts'
import { objectOf } from '../../core/view/plan-view.ts'
import { few } from './layout/few.ts'
import type { Look } from './layout/look.ts'
import { undeliveredText } from './outcome/delivery-text.ts'
import { type Shown, show, stacked } from './screen.ts'
import { count, findingsText } from './text.ts'

/** Why it stopped; empty if nothing stopped it. */
export const stopsText = ({ findings }: Outcome, look: Look = {}): readonly Shown[] =>
  findings.length === 0 ? [] : [show`\n${findingsText(findings, look)}`]

/**
 * What it did: carried out in clusters, or only written to directories.
 * @param file the federation file, as the user named it
 */
export function doneText({ done, undelivered = [] }: Outcome, file: string): Shown {
  const directories = new Set(undelivered.map(({ member }) => member))
  const written = done.filter(({ member }) => directories.has(member)).length
  const carriedOut = done.length - written
  const proof = carriedOut === 0 ? '' : ' Proof: entente verify'
  return stacked([
    ...(written > 0 && carriedOut === 0 ? [] : [`${count(carriedOut, 'step')} carried out.${proof}`]),
    ...undeliveredText(undelivered, file).map((text) => show`${count(written, 'step')} written, ${text}`),
  ])
}

const SHOWN = 3

/** For what an earlier line named. */
export const stillWaitingText = ({ member, phase, milliseconds }: Progress & { readonly kind: 'waiting' }): string =>
  `${member} ${phase}: still waiting, ${Math.round(milliseconds / 1000)} s so far`

export function progressText(event: Progress): string {
  const where = `${event.member} ${event.phase}`
  switch (event.kind) {
    case 'writing': {
      const { before, after } = event.step
      return `${where}: ${before === undefined ? 'creating' : after === undefined ? 'removing' : 'updating'} ${title(objectOf(event.step))}`
    }
    case 'waiting':
      return `${where}: waiting for ${event.kubelets === true ? 'the kubelets of ' : ''}${few(event.for, SHOWN)}, ${Math.round(event.milliseconds / 1000)} s so far`
    case 'nudged':
      return event.failed === undefined
        ? `${event.member}: annotated ${event.pods} ${event.pods === 1 ? 'pod' : 'pods'}, so that the kubelets sync now`
        : `${event.member}: could not annotate the pods, so their kubelets sync in their usual interval: ${event.failed}`
    case 'first':
      return `${where}: canary ${event.workload} gets ${event.filter} before the others (${event.proxies.join(', ')})`
    case 'acknowledged': {
      const who = `${event.proxies} ${event.proxies === 1 ? 'proxy' : 'proxies'} acknowledged it after ${event.milliseconds} ms`
      return event.first === undefined ? `${where}: ${who}` : `${where}: ${who}; the other workloads follow`
    }
    case 'put-back':
      return `${where}: Envoy rejected it; restoring the previous objects: ${event.because}`
  }
}
