/**
 * Finds JavaScript regular expressions that can need more than linear time on some text.
 *
 * A backtracking engine tries every way to match before it says no. The number of ways grows faster than the text
 * exactly where two loops of the automaton can share a text: states p ≠ q and a word w with p →w→ p, p →w→ q and
 * q →w→ q (Weber and Seidl 1991, "On the degree of ambiguity of finite automata": IDA, which EDA implies).
 * An expression that is not anchored has a loop of its own in front, which stands for the places to begin at.
 * After q the match must be able to fail; where the rest may be empty, the first way is the last one tried.
 *
 * Conservative: a counted repetition with a large or no upper bound is a loop, look-arounds are optional branches.
 */

type Node =
  | { readonly kind: 'chars'; readonly test: (char: string) => boolean }
  | { readonly kind: 'row'; readonly parts: readonly Node[] }
  | { readonly kind: 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly min: number; readonly max: number }
  | { readonly kind: 'look'; readonly of: Node }
  | { readonly kind: 'edge'; readonly at: '^' | '$' | 'b' }

/** Repetitions up to this count are written out, as often as they are counted. */
const WRITTEN_OUT = 64

class Reader {
  #at = 0
  readonly #source: string
  readonly #flags: string

  constructor(source: string, flags: string) {
    this.#source = source
    this.#flags = flags.replace(/[gyd]/g, '')
  }

  read(): Node {
    const node = this.#choice()
    if (this.#at < this.#source.length) throw new Error(`unread: ${this.#source.slice(this.#at)}`)
    return node
  }

  #choice(): Node {
    const parts = [this.#row()]
    while (this.#take('|')) parts.push(this.#row())
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'choice', parts }
  }

  #row(): Node {
    const parts: Node[] = []
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at] as string)) parts.push(this.#repeated(this.#atom()))
    return { kind: 'row', parts }
  }

  #repeated(of: Node): Node {
    const [all, sign, min, comma, max] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.#source.slice(this.#at)) ?? []
    if (all === undefined) return of
    this.#at += all.length
    if (sign !== undefined) return { kind: 'repeat', of, min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Number.POSITIVE_INFINITY }
    const least = Number(min)
    return { kind: 'repeat', of, min: least, max: comma === '' ? least : max === '' ? Number.POSITIVE_INFINITY : Number(max) }
  }

  #atom(): Node {
    const rest = this.#source.slice(this.#at)
    const look = /^\(\?<?[=!]/.exec(rest)?.[0]
    const group = look ?? /^\((?:\?:|\?<\w+>)?/.exec(rest)?.[0]
    if (group !== undefined) {
      this.#at += group.length
      const of = this.#choice()
      if (!this.#take(')')) throw new Error('a group has no end')
      return look === undefined ? of : { kind: 'look', of }
    }
    if (rest[0] === '^' || rest[0] === '$') {
      this.#at += 1
      return { kind: 'edge', at: rest[0] }
    }
    if (/^\\[bB]/.test(rest)) {
      this.#at += 2
      return { kind: 'edge', at: 'b' }
    }
    if (/^\\[1-9k]/.test(rest)) throw new Error('a back-reference is not linear')
    const chars = /^(?:\[(?:\\.|[^\]\\])*\]|\\u\{[0-9a-fA-F]+\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[pP]\{[^}]*\}|\\.|[\s\S])/u.exec(rest)
    if (chars === null) throw new Error(`not understood: ${rest}`)
    this.#at += chars[0].length
    const one = new RegExp(`^(?:${chars[0]})$`, this.#flags)
    return { kind: 'chars', test: (char) => one.test(char) }
  }

  #take(char: string): boolean {
    if (this.#source[this.#at] !== char) return false
    this.#at += 1
    return true
  }
}

/** Every character that one of our expressions could distinguish from others. */
const ALPHABET: readonly string[] = [
  ...Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)),
  ...['\u2028', '\u202e', '\u200b', '\u3000', '\ufeff', '\u4e00', '\ud800', '\u{1f600}', '\u{e0041}'],
]

interface State {
  readonly on: { readonly test: (char: string) => boolean; readonly to: number }[]
  /** Without a character. `sure`: no condition is attached. */
  readonly by: { readonly to: number; readonly sure: boolean }[]
}

class Automaton {
  readonly states: State[] = []

  state(): number {
    return this.states.push({ on: [], by: [] }) - 1
  }

  /** @returns the state behind it */
  add(node: Node, from: number): number {
    switch (node.kind) {
      case 'chars': {
        const to = this.state()
        this.#of(from).on.push({ test: node.test, to })
        return to
      }
      case 'edge': {
        const to = this.state()
        this.#of(from).by.push({ to, sure: false })
        return to
      }
      case 'row':
        return node.parts.reduce((at, part) => this.add(part, at), from)
      case 'choice': {
        const to = this.state()
        for (const part of node.parts) this.link(this.add(part, from), to)
        return to
      }
      case 'look': {
        this.add(node.of, from)
        const to = this.state()
        this.#of(from).by.push({ to, sure: false })
        return to
      }
      case 'repeat':
        return this.#repeat(node, from)
    }
  }

  #repeat({ of, min, max }: Extract<Node, { kind: 'repeat' }>, from: number): number {
    let at = from
    const loops = max > WRITTEN_OUT
    for (let i = 0; i < Math.min(min, WRITTEN_OUT); i++) at = this.add(of, at)
    if (loops) {
      const loop = this.state()
      this.link(at, loop)
      this.link(this.add(of, loop), loop)
      return loop
    }
    const to = this.state()
    this.link(at, to)
    for (let i = min; i < max; i++) {
      at = this.add(of, at)
      this.link(at, to)
    }
    return to
  }

  link(from: number, to: number): void {
    this.#of(from).by.push({ to, sure: true })
  }

  #of(state: number): State {
    return this.states[state] as State
  }

  /** True if two paths without input lead from this state to another one: each turn of a loop around it then doubles the paths. */
  twice(from: number): boolean {
    const seen = new Set<number>()
    const queue = [from]
    for (const at of queue) {
      if (seen.has(at)) return true
      seen.add(at)
      queue.push(...this.#of(at).by.map(({ to }) => to))
    }
    return false
  }

  /** The states that this state reaches without input. */
  closure(state: number, sureOnly: boolean): ReadonlySet<number> {
    const seen = new Set([state])
    const queue = [state]
    for (const at of queue) {
      for (const { to, sure } of this.#of(at).by) {
        if (seen.has(to) || (sureOnly && !sure)) continue
        seen.add(to)
        queue.push(to)
      }
    }
    return seen
  }
}

/** A text whose repetition makes the time grow faster than the text; undefined if the expression is linear. */
export function superLinear(source: string, flags: string): string | undefined {
  const node = new Reader(source, flags).read()
  const automaton = new Automaton()
  const start = automaton.state()
  const first = automaton.state()
  anchor(automaton, { start, first }, node, flags)
  const end = automaton.add(node, first)
  const letters = classesOf(automaton)
  const steps = automaton.states.map((_, from) =>
    letters.map((letter) => {
      const to = new Set<number>()
      for (const at of automaton.closure(from, false))
        for (const { test, to: next } of automaton.states[at]?.on ?? []) if (test(letter)) to.add(next)
      return [...to]
    }),
  )
  const reached = reachedFrom(steps)
  const loops = [...automaton.states.keys()].filter((state) => reached[state]?.has(state))
  for (const p of loops) {
    if (automaton.twice(p)) return '(one text, two ways)'
    for (const q of loops) {
      if (p === q || !reached[p]?.has(q) || automaton.closure(q, true).has(end)) continue
      const word = pumped({ p, q, steps, letters })
      if (word !== undefined) return word
    }
  }
  return undefined
}

/** Which states can be reached from each, by one character or more. */
function reachedFrom(steps: readonly (readonly (readonly number[])[])[]): readonly ReadonlySet<number>[] {
  const next = steps.map((by) => [...new Set(by.flat())])
  return next.map((first) => {
    const seen = new Set(first)
    const queue = [...first]
    for (const at of queue) {
      for (const to of next[at] ?? []) {
        if (seen.has(to)) continue
        seen.add(to)
        queue.push(to)
      }
    }
    return seen
  })
}

/** Where a match may begin: at the start, after a line break, or anywhere. */
function anchor(automaton: Automaton, { start, first }: { start: number; first: number }, node: Node, flags: string): void {
  const any = { kind: 'chars', test: () => true } as const
  const atEdge = beginsAtEdge(node)
  if (flags.includes('y') || (atEdge && !flags.includes('m'))) automaton.link(start, first)
  else {
    automaton.link(automaton.add(any, start), start)
    const lineBreak = { kind: 'chars', test: (char: string) => '\n\r\u2028\u2029'.includes(char) } as const
    automaton.link(atEdge ? automaton.add(lineBreak, start) : start, first)
  }
}

const beginsAtEdge = (node: Node): boolean => {
  if (node.kind === 'edge') return node.at === '^'
  if (node.kind === 'choice') return node.parts.every(beginsAtEdge)
  return node.kind === 'row' && node.parts[0] !== undefined && beginsAtEdge(node.parts[0])
}

/** One character of each class that the expression distinguishes. */
function classesOf(automaton: Automaton): readonly string[] {
  const tests = automaton.states.flatMap(({ on }) => on.map(({ test }) => test))
  const kinds = new Map<string, string>()
  for (const char of ALPHABET) {
    const kind = tests.map((test) => (test(char) ? '1' : '0')).join('')
    if (!kinds.has(kind)) kinds.set(kind, char)
  }
  return [...kinds.values()]
}

interface Pair {
  readonly p: number
  readonly q: number
  readonly steps: readonly (readonly (readonly number[])[])[]
  readonly letters: readonly string[]
}

/** A word w with p →w→ p, p →w→ q and q →w→ q, by search over three runs at once. */
function pumped({ p, q, steps, letters }: Pair): string | undefined {
  const key = (a: number, b: number, c: number): number => (a * steps.length + b) * steps.length + c
  const goal = key(p, q, q)
  const queue: (readonly [number, number, number, string])[] = [[p, p, q, '']]
  const seen = new Set<number>()
  for (const [a, b, c, word] of queue) {
    for (const [i, letter] of letters.entries()) {
      for (const x of steps[a]?.[i] ?? [])
        for (const y of steps[b]?.[i] ?? [])
          for (const z of steps[c]?.[i] ?? []) {
            const next = key(x, y, z)
            if (next === goal) return word + letter
            if (seen.has(next)) continue
            seen.add(next)
            queue.push([x, y, z, word + letter])
          }
    }
  }
  return undefined
}
