/** Compares the roots of an offered bundle with the approved ones. */
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import type { Shown } from '../screen.ts'
import { table } from '../text.ts'

export function rootsText(bundle: Bundle, before: Bundle | undefined, columns?: number): Shown {
  const old = new Set(before?.anchors.map((anchor) => anchor.fingerprint))
  const kept = new Set(bundle.anchors.map((anchor) => anchor.fingerprint))
  const row = (sign: string, { fingerprint, notAfter, subject }: Bundle['anchors'][number]): string[] => [
    sign,
    fingerprint,
    notAfter.toISOString().slice(0, 10),
    subject.replaceAll('\n', ', '),
  ]
  const now = bundle.anchors.map((anchor) => row(old.has(anchor.fingerprint) ? 'stays' : 'new', anchor))
  const gone = (before?.anchors ?? []).filter((anchor) => !kept.has(anchor.fingerprint)).map((anchor) => row('goes', anchor))
  return table([['', 'ROOT', 'UNTIL', 'SUBJECT'], ...now, ...gone], columns)
}
