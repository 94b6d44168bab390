/**
 * Describes the accepted representatives as patterns, such as `ns/sample/sa/*`, with exceptions for identities that are
 * not accepted.
 */
import { globTest } from '../../basics/glob.ts'
import type { Token } from '../alias-names.ts'

export type Cell = readonly [Token, Token]

export interface Pattern {
  /** The path after the trust domain: `*`, `ns/N/*`, `ns/*\/sa/S`, `ns/N/sa/S`. */
  readonly path: string
  /** Paths within the pattern that are not accepted. */
  readonly except: readonly string[]
}

/**
 * @param of the accepted representatives
 * @param all every representative that was tested
 */
export function patternsOf(of: readonly Cell[], all: readonly Cell[]): readonly Pattern[] {
  const meant = new Set(of)
  const patterns: Pattern[] = []
  const within = new Set<Cell>()
  for (const cell of maximal(of)) {
    const not = maximal(all.filter((one) => covers(cell, one) && !meant.has(one)))
    patterns.push({ path: pathOf(cell), except: not.map(pathOf) })
    for (const one of of) if (one !== cell && not.some((exception) => covers(exception, one))) within.add(one)
  }
  // Exceptions may have exceptions of their own.
  return within.size === 0 ? patterns : [...patterns, ...patternsOf([...within], all)]
}

/** The cells that no other cell covers. */
function maximal(cells: readonly Cell[]): readonly Cell[] {
  const any = cells.find(([n, s]) => n.shown === '*' && s.shown === '*')
  if (any !== undefined) return [any]
  return cells.filter((cell) => !cells.some((other) => other !== cell && covers(other, cell)))
}

const covers = (a: Cell, b: Cell): boolean => tokenCovers(a[0], b[0]) && tokenCovers(a[1], b[1])

function tokenCovers({ shown }: Token, other: Token): boolean {
  if (shown === '*' || shown === other.shown) return true
  const star = shown.indexOf('*')
  // `foobar*ar` does not match `foobar`, although that begins and ends like it.
  if (star < 0 || other.shown.startsWith('*') || other.shown.length < shown.length - 1) return false
  return other.shown.startsWith(shown.slice(0, star)) && other.shown.endsWith(shown.slice(shown.lastIndexOf('*') + 1))
}

function pathOf([{ shown: namespace }, { shown: account }]: Cell): string {
  if (account !== '*') return `ns/${namespace}/sa/${account}`
  return namespace === '*' ? '*' : `ns/${namespace}/*`
}

/** A test for SPIFFE ID paths that match `PATH`. */
export const pathTest = (path: string): ((idPath: string) => boolean) => globTest(path)
