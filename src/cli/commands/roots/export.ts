/** `export`: a mesh's own roots, from its cluster or from a file, for the owner of the other mesh. */
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import { printBundle, printPemBundle } from '../../../core/spiffe/bundle.ts'
import { parseBundle } from '../../../core/spiffe/parse-bundle.ts'
import { parseTrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { documented } from '../../../core/view/versioned.ts'
import { observeCluster } from '../../input/cluster.ts'
import type { LimitOptions } from '../../input/limits.ts'
import type { Io, Output } from '../../io.ts'
import { document, json, show } from '../../print/screen.ts'

export interface ExportOptions extends LimitOptions {
  readonly context?: string
  readonly pem?: string
  readonly trustDomain?: string
  readonly format: 'spiffe' | 'pem'
  readonly kubeconfig?: string
  readonly istioNamespace: string
  readonly output: Output
}

export async function run(options: ExportOptions, io: Io): Promise<number> {
  const bundle = await bundleOf(options, io)
  const text = options.format === 'pem' ? printPemBundle(bundle) : printBundle(bundle)
  if (options.output === 'json') {
    const roots = bundle.anchors.map(({ fingerprint, subject, notAfter }) => ({ fingerprint, subject, notAfter: notAfter.toISOString() }))
    io.print(json(documented('Export', { trustDomain: bundle.trustDomain, format: options.format, roots, bundle: text })))
    return 0
  }
  io.print(document(text.trimEnd()))
  for (const { fingerprint, subject, notAfter } of bundle.anchors)
    io.report(`${fingerprint}  ${subject}  until ${notAfter.toISOString().slice(0, 10)}`)
  io.report(
    show`\nSend the fingerprints to the other owner over another channel. That owner runs: entente approve MEMBER --bundle FILE --fingerprint …`,
  )
  return 0
}

async function bundleOf(options: ExportOptions, io: Io): Promise<Bundle> {
  if ((options.context === undefined) === (options.pem === undefined)) {
    throw new FederationError('usage', 'export', 'requires --context, or --pem with --trust-domain', {
      hint: 'entente export --context cluster-a',
    })
  }
  if (options.context !== undefined) {
    const { own } = await observeCluster(options.context, options, io)
    return own
  }
  if (options.trustDomain === undefined) {
    throw new FederationError('usage', '--pem', 'requires --trust-domain, because a PEM file does not name its trust domain', {
      hint: 'add --trust-domain',
    })
  }
  return parseBundle(parseTrustDomain(options.trustDomain), await io.readFile(options.pem ?? '-'), { now: io.now() })
}
