import { describe, expect, it } from 'vitest'
import { ODD_KEYS, ODD_SIGNATURES } from '../../../test/support/odd-keys.ts'
import { HAND_MADE_KEYS } from '../../../test/support/rsa-by-hand.ts'
import { anchorFrom } from './anchor.ts'
import { readCertificate } from './certificate.ts'
import { anchorOf } from './chain.ts'

const NOW = new Date('2026-06-01T00:00:00Z')

describe('a chain is valid only with algorithms that Go and Envoy both verify', () => {
  it.each([...ODD_SIGNATURES, ...ODD_KEYS, ...HAND_MADE_KEYS])('$name', ({ root, chain, valid }) => {
    const { anchor, reason } = anchorOf(chain, [anchorFrom(readCertificate(root))], NOW)
    expect({ valid: anchor !== undefined, reason }).toMatchObject({ valid })
    if (!valid)
      expect(reason).toMatch(
        /which Go refuses|Go and BoringSSL refuse|Go refuses those below|cannot verify with|Go’s TLS takes at most|another key of that name/,
      )
  })
})
