/** Prints the result of `remove` and `uninstall`. */
import type { Emptied } from '../../../app/remove/proof.ts'
import type { Removed } from '../../../app/remove/remove.ts'
import { title } from '../../../core/model/manifest.ts'
import type { Look } from '../layout/look.ts'
import { type Part, type Shown, show, stacked } from '../screen.ts'
import { count, findingsText, painter, verdictText } from '../text.ts'

export function removedText({ homes, findings, done }: Removed, look: Look = {}): Shown {
  return stacked(
    [
      ...homes.map((home) => homeText(home, look)),
      ...(findings.length === 0 ? [] : [findingsText(findings, look)]),
      `${count(done.length, 'step')} carried out.`,
    ],
    '\n\n',
  )
}

const STYLE = { ended: 'green', undelivered: 'yellow', left: 'red', unknown: 'yellow' } as const

function homeText({ target, state, left, verdicts }: Emptied, look: Look): Shown {
  const { name, home } = target.member
  const place = home?.directory === undefined ? `context ${home?.context}` : `directory ${home.directory}`
  const says: Readonly<Record<Emptied['state'], string>> = {
    ended: `no object of Entente is left${proven(verdicts)}`,
    undelivered:
      left?.length === 0
        ? 'no object of Entente is left in the directory'
        : 'the cluster still has what the directory no longer has, or the directory still holds policies back',
    left: left?.length === 0 ? 'no object of Entente is left, but a proxy still accepts what is below' : 'these objects are left',
    unknown:
      left === undefined ? 'Entente could not read it' : 'no object of Entente is left; no evidence shows that every proxy has let go',
  }
  const objects: Part[] = state === 'ended' ? [] : (left ?? []).map((object) => show`  ${title(object)}`)
  const open = verdicts.filter(({ state }) => state !== 'severed').map((verdict) => verdictText(verdict, look))
  return stacked([
    show`${painter(look.color ?? false)('bold', name)} (${place}): ${painter(look.color ?? false)(STYLE[state], state)}: ${says[state]}`,
    ...objects,
    ...open,
  ])
}

function proven(verdicts: Emptied['verdicts']): string {
  if (verdicts.length === 0) return ''
  return `, and no live proxy accepts ${verdicts.map(({ trusted }) => trusted).join(', ')}`
}
