/** Reports keys that occur twice in one mapping: Kubernetes, Helm and istiod silently use the last one. */
import { about } from '../../diagnostics/subject.ts'
import { printable } from '../../x509/syntax/printable.ts'
import type { Context } from '../context.ts'
import { type LintFinding, lintFinding } from '../lint-rules.ts'
import type { Source } from '../source.ts'

export function repeatedKeys({ files, settings }: Context): readonly LintFinding[] {
  const documents = files.flatMap((file) => file.documents)
  // Mesh configs and values are YAML inside YAML: a ConfigMap holds them as text.
  const embedded = settings.flatMap(({ written }) => (written === undefined ? [] : [written.view.source]))
  return [...new Set([...documents, ...embedded])].flatMap(repeatedIn)
}

const repeatedIn = ({ file, repeated = [] }: Source): readonly LintFinding[] =>
  repeated.map(({ key, spot, ignored }) =>
    lintFinding(
      'key-repeated',
      { file, ...spot, about: about.input(printable(key, 60)) },
      `${printable(key, 60)} stands twice in this mapping: the last one counts, and the one in line ${ignored.line} is ignored`,
      { hint: 'remove one of them' },
    ),
  )
