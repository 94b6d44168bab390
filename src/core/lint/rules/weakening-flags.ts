/** Reports settings of istiod that weaken identities, in every form in which manifests set istiod's environment. */
import { WEAKENING } from '../../mesh/istiod-flags.ts'
import { at } from '../../model/manifest.ts'
import { type Context, findingAt } from '../context.ts'
import type { LintFinding } from '../lint-rules.ts'
import type { Resource } from '../resource.ts'
import { type Path, type View, walk } from '../source.ts'

export const weakeningFlags = ({ resources }: Context): readonly LintFinding[] => resources.flatMap(flagsIn)

function flagsIn(resource: Resource): readonly LintFinding[] {
  const found: LintFinding[] = []
  const look = (view: View): void =>
    walk(view.value, (path, key, value) => {
      for (const { flag, when, means } of WEAKENING) {
        if (typeof value === 'string' && value !== flag && value.includes(flag)) lookInto(view, [...path])
        const set = key === flag ? value : key === 'name' && value === flag ? at(view.value, ...path.slice(0, -1), 'value') : undefined
        if (typeof set !== 'object' && when(String(set ?? '')))
          found.push(
            findingAt('istiod-flag', view, [...path], resource.about, `${flag}=${String(set)}: ${means}`, {
              hint: `take ${flag} out of istiod’s environment`,
            }),
          )
      }
    })
  const lookInto = (view: View, path: Path): void => {
    const inner = view.source.embedded([...view.path, ...path])
    if (inner !== undefined && typeof inner.value === 'object') look({ source: inner, path: [], value: inner.value })
  }
  look(resource)
  return found
}
