/** Where an owner wrote what an expanded entry says: the line of a problem is a line that somebody wrote. */

export type Path = readonly (string | number)[]

/** A place in what owners wrote. */
export interface Place {
  readonly path: Path
  /** The path of an included file, as `spec.include` names it. Absent: the federation file. */
  readonly file?: string
}

/** Reports a problem at a path. `other`: the entry that it conflicts with. */
export type Report = (path: Path, message: string, hint?: string, other?: Path) => void

/** Reports a problem at a place that an owner wrote. */
export type Tell = (place: Place, message: string, hint: string) => void

/** An origin whose parts have no places of their own: the expansion made them from the whole of it. */
interface Origin extends Place {
  readonly whole: boolean
}

/** The origins of the objects and lists of an expanded document. */
export class Origins {
  readonly #origins = new WeakMap<object, Origin>()

  /** The parts of `node` are where `place` has them, under the same names. */
  copied<T extends object>(node: T, place: Place): T {
    this.#origins.set(node, { ...place, whole: false })
    return node
  }

  /** All of `node` was made from what is at `place`. */
  made<T extends object>(node: T, place: Place): T {
    this.#origins.set(node, { ...place, whole: true })
    return node
  }

  /** `to` stands for `from` in the document. */
  moved<T extends object>(from: object, to: T): T {
    const origin = this.#origins.get(from)
    if (origin !== undefined) this.#origins.set(to, origin)
    return to
  }

  /** The place that a path of the expanded document comes from. */
  placeOf(document: unknown, path: Path): Place {
    let here = document
    let found: Origin = { path: [], whole: false }
    for (const step of path) {
      here = typeof here === 'object' && here !== null ? (here as Readonly<Record<string | number, unknown>>)[step] : undefined
      const origin = typeof here === 'object' && here !== null ? this.#origins.get(here) : undefined
      if (origin !== undefined) found = origin
      else if (!found.whole) found = { ...found, path: [...found.path, step] }
    }
    const { whole: _, ...place } = found
    return place
  }
}
