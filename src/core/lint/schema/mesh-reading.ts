/** Converts the mesh config of settings to istiod's reading, so that every rule sees one spelling and one meaning. */
import { spelledPath } from '../../mesh/config/decode.ts'
import { readMesh } from '../../mesh/config/mesh-facts.ts'
import { at } from '../../model/manifest.ts'
import type { Settings } from '../settings/settings.ts'
import { spotOf, type View } from '../source.ts'

/** If istiod rejects a mesh config, no part of it is in force: the result hides it from the rules. */
export function asIstiodReads(settings: Settings): Settings {
  const { mesh: view, whole, ...rest } = settings
  if (view === undefined) return settings
  const { value, unknown, faults } = readMesh(view.value, 'template')
  // Helm merges values over the defaults of its chart, and an empty value leaves the default.
  const standing = whole ? faults : faults.filter(({ path }) => at(view.value, ...path) !== '')
  const written = { view, unknown, faults: standing }
  return { ...rest, whole, written, ...(standing.length > 0 ? {} : { mesh: reading(view, value) }) }
}

function reading(view: View, value: unknown): View {
  const { source } = view
  return {
    value,
    path: [],
    source: {
      ...source,
      value,
      spot: (path) => spotOf(view, ...spelledPath(view.value, path)),
      embedded: (path) => source.embedded([...view.path, ...spelledPath(view.value, path)]),
    },
  }
}
