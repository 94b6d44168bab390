/** Finds existing identities of the other mesh by pattern. */
import { pathTest } from './patterns.ts'

interface Account {
  readonly id: string
  readonly domain: string
  readonly path: string
}

export class Accounts {
  readonly #all: readonly Account[]
  readonly #byNamespace = new Map<string, Account[]>()
  readonly #byPath = new Map<string, readonly Account[]>()

  /** @param ids SPIFFE IDs */
  constructor(ids: readonly string[]) {
    this.#all = [...new Set(ids)].sort().map((id) => {
      const slash = id.indexOf('/', 'spiffe://'.length)
      return { id, domain: id.slice('spiffe://'.length, slash), path: id.slice(slash + 1) }
    })
    for (const account of this.#all) {
      const namespace = namespaceOf(account.path)
      this.#byNamespace.set(namespace, [...(this.#byNamespace.get(namespace) ?? []), account])
    }
  }

  /** Those of some domains whose path fits (`ns/N/*`), one after the other. */
  *matching(domains: readonly string[], path: string): Generator<string> {
    for (const { id, domain } of this.#fitting(path)) if (domains.includes(domain)) yield id
  }

  #fitting(path: string): readonly Account[] {
    if (path === '*') return this.#all
    const known = this.#byPath.get(path)
    if (known !== undefined) return known
    const namespace = namespaceOf(path)
    const near = namespace.includes('*') ? this.#all : (this.#byNamespace.get(namespace) ?? [])
    const fits = near.length === 0 ? () => false : pathTest(path)
    const found = near.filter((account) => fits(account.path))
    this.#byPath.set(path, found)
    return found
  }
}

/** The namespace in `ns/N/sa/S`; empty if there is none. */
const namespaceOf = (path: string): string => (path.startsWith('ns/') ? (path.split('/')[1] ?? '') : '')
