/** Prints a federation without short forms, as YAML: each entry with the line that it comes from. */

import { Document, isMap, isNode, isSeq } from 'yaml'
import type { LongDocument } from '../../../core/federation/expand/long-form.ts'
import type { Path } from '../../../core/federation/expand/places.ts'
import { visible } from '../../../core/x509/syntax/printable.ts'
import { document, type Shown } from '../screen.ts'

export interface ExpandedFile {
  readonly document: LongDocument
  /** `federation.yaml:12` */
  readonly lineOf: (path: Path) => string
}

/** It is a valid federation file, with the same meaning. */
export function expandedText({ document: long, lineOf }: ExpandedFile): Shown {
  const yaml = new Document(long)
  const comment = (path: Path): void => {
    const node = yaml.getIn(path, true)
    if (isNode(node)) node.commentBefore = ` ${visible(lineOf(path))}`
  }
  for (const [i, entry] of long.spec.trust.entries()) {
    comment(['spec', 'trust', i])
    for (const side of ['accept', 'reach'] as const)
      for (const j of (entry[side] ?? []).keys()) {
        comment(['spec', 'trust', i, side, j])
        const selector = yaml.getIn(['spec', 'trust', i, side, j, 'selector'], true)
        if (isMap(selector)) selector.flow = true
      }
  }
  const members = yaml.getIn(['spec', 'members'], true)
  for (const member of isSeq(members) ? members.items : []) if (isMap(member)) member.flow = true
  return document(yaml.toString({ lineWidth: 0 }).trimEnd())
}
