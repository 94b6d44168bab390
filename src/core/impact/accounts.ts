/** Identities that exist on the other side, found by pattern. */
import { pathTest } from './patterns.ts'

export class Accounts {
  readonly #byDomain = new Map<string, string[]>()
  readonly #byNamespace = new Map<string, string[]>()
  readonly #all: Set<string>

  /** @param ids SPIFFE IDs */
  constructor(ids: readonly string[]) {
    this.#all = new Set(ids)
    for (const id of [...this.#all].sort()) {
      const parts = id.slice('spiffe://'.length).split('/')
      push(this.#byDomain, parts[0] ?? '', id)
      if (parts[1] === 'ns') push(this.#byNamespace, `${parts[0]}/${parts[2]}`, id)
    }
  }

  /** Those of one domain whose path fits (`ns/N/*`). */
  matching(domain: string, path: string): readonly string[] {
    const inDomain = this.#byDomain.get(domain) ?? []
    if (path === '*') return inDomain
    if (!path.includes('*')) return this.#all.has(`spiffe://${domain}/${path}`) ? [`spiffe://${domain}/${path}`] : []
    const [, namespace = '*', ...rest] = path.split('/')
    const near = namespace.includes('*') ? inDomain : (this.#byNamespace.get(`${domain}/${namespace}`) ?? [])
    if (!namespace.includes('*') && rest.join('/') === '*') return near
    const fits = pathTest(path)
    return near.filter((id) => fits(id.slice(`spiffe://${domain}/`.length)))
  }
}

function push(map: Map<string, string[]>, key: string, id: string): void {
  const held = map.get(key)
  if (held === undefined) map.set(key, [id])
  else held.push(id)
}
