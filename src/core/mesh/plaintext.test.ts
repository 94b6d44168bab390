import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readStrict, strictPolicy } from '../trust/callers/policies.ts'
import { PHASES, stage } from '../trust/stage.ts'
import { EMPTY, type Inbound, type MeshState, noInbound } from '../trust/state.ts'
import { bothTake, type Exception, exceptions, keepsTo, mayTake, type Plaintext, samePlaintext } from './plaintext.ts'

const at = { namespace: 'sample', labels: { app: 'server' } }
const ports = (...numbers: readonly number[]): Plaintext | undefined => exceptions(numbers.map((port) => [port, 'PERMISSIVE'] as const))
const state = (strict: boolean, plaintext?: Plaintext): MeshState => ({
  ...EMPTY,
  inbound: new Map([['k', { ...noInbound(at), strict, ...(plaintext === undefined ? {} : { plaintext }) }]]),
})

const plaintext: fc.Arbitrary<Plaintext | undefined> = fc.oneof(
  fc.constantFrom(undefined, 'all' as const),
  fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom<Exception>('PERMISSIVE', 'DISABLE')), {
      selector: ([port]) => port,
    })
    .map((list) => exceptions(list)),
)

describe('accepting plaintext', () => {
  it.each([
    { name: 'STRICT', mode: 'STRICT', held: {}, allowed: undefined, keeps: true },
    { name: 'PERMISSIVE', mode: 'PERMISSIVE', held: {}, allowed: undefined, keeps: false },
    { name: 'PERMISSIVE, and everything may', mode: 'PERMISSIVE', held: {}, allowed: 'all', keeps: true },
    { name: 'an open port', mode: 'STRICT', held: { 9000: 'PERMISSIVE' }, allowed: ports(9000), keeps: true },
    { name: 'a closed port', mode: 'STRICT', held: { 9001: 'DISABLE' }, allowed: ports(9000), keeps: false },
    { name: 'all ports if one is open', mode: 'PERMISSIVE', held: { 9000: 'STRICT' }, allowed: ports(9000), keeps: false },
  ] as const)('$name: $keeps', ({ mode, held, allowed, keeps }) => {
    const effective = { mode, ports: new Map(Object.entries(held).map(([port, set]) => [Number(port), set as Exception])) }
    expect(keepsTo(effective, allowed)).toBe(keeps)
  })

  it('under both leaves only the ports that each leaves', () => {
    fc.assert(
      fc.property(plaintext, plaintext, fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }), (b, a, port) => {
        expect(mayTake(bothTake(b, a), port)).toBe(mayTake(b, port) && mayTake(a, port))
        expect(samePlaintext(bothTake(b, b), b)).toBe(true)
      }),
    )
  })

  it('is read from a policy as it was written', () => {
    fc.assert(
      fc.property(
        plaintext.filter((p) => p !== 'all'),
        (p) => {
          const scope = { at, ...(p === undefined ? {} : { plaintext: p }) }
          const policy = { apiVersion: 'v1', kind: 'PeerAuthentication', metadata: { name: 'x' }, spec: strictPolicy(scope) }
          const read = readStrict(policy)
          expect([read.strict, samePlaintext(read.plaintext, p)]).toEqual([true, true])
        },
      ),
    )
  })
})

describe('a change from one mode to another', () => {
  const staged = (before: MeshState, after: MeshState) =>
    PHASES.map((phase) => {
      const { strict, plaintext: held } = stage(before, after, phase, new Set()).inbound.get('k') as Inbound
      return `${strict ? 'STRICT' : 'theirs'} ${held === undefined ? '-' : held === 'all' ? held : [...held.keys()]}`
    })

  it.each([
    {
      name: 'opens a port last',
      before: state(true),
      after: state(true, ports(9000)),
      is: ['STRICT -', 'STRICT -', 'STRICT -', 'STRICT 9000'],
    },
    {
      name: 'closes a port first',
      before: state(true, ports(9000)),
      after: state(true),
      is: ['STRICT -', 'STRICT -', 'STRICT -', 'STRICT -'],
    },
    {
      name: 'from PERMISSIVE to STRICT comes first',
      before: state(false),
      after: state(true, ports(9000)),
      is: ['STRICT 9000', 'STRICT 9000', 'STRICT 9000', 'STRICT 9000'],
    },
    {
      name: 'from STRICT to PERMISSIVE comes last',
      before: state(true),
      after: state(false, 'all'),
      is: ['STRICT -', 'STRICT -', 'STRICT -', 'theirs all'],
    },
  ])('$name', ({ before, after, is }) => {
    expect(staged(before, after)).toEqual(is)
  })
})
