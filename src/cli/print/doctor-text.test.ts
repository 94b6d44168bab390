import { describe, expect, it } from 'vitest'
import { member } from '../../../test/support/federations.ts'
import { about } from '../../core/doctor/check.ts'
import { doctorText } from './doctor-text.ts'

const [A, B] = [member('cluster-a'), member('cluster-b')]

describe('the text of doctor', () => {
  it('is a block for each cluster and pair, with the remedy and a link to the documentation; skipped checks need one line', () => {
    const text = doctorText([
      about('istiod', [A], 'cluster-a').ok('istiod-0'),
      about('mtls', [A], 'cluster-a: sample (app=x)').fail('PERMISSIVE', 'set it to STRICT'),
      about('gateway', [A], 'cluster-a').skipped('nobody is to call it'),
      about('gateway-passthrough', [A], 'cluster-a').skipped('nobody is to call it'),
      about('mesh-id', [A, B], 'cluster-a, cluster-b').ok('mesh1'),
      about('gateway-known', [A, B], 'cluster-a → cluster-b').warn('x', ''),
    ])
    expect(String(text)).toBe(
      [
        'cluster-a',
        '  ok       istiod: istiod-0',
        '  fail     mtls (sample (app=x)): PERMISSIVE',
        '           next: set it to STRICT',
        '           see: docs/doctor.md#mtls',
        '  skipped  gateway, gateway-passthrough: nobody is to call it',
        '',
        'cluster-a, cluster-b',
        '  ok       mesh-id: mesh1',
        '',
        'cluster-a → cluster-b',
        '  warn     gateway-known: x',
        '           see: docs/doctor.md#gateway-known',
        '',
        'not ready for federation yet: 2 ok, 1 warning, 1 failed, 2 skipped',
      ].join('\n'),
    )
  })
})
