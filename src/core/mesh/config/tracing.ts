/** The settings of tracing, as Istio checks them: istio pkg/config/validation/agent at eed52ebb66ad. */
import { at, list, text } from '../../model/manifest.ts'
import { type Fault, type FieldPath, shown } from './decode.ts'
import { isAddress } from './host-names.ts'

const TRACING: FieldPath = ['defaultConfig', 'tracing']

export function tracingFaults(mesh: Readonly<Record<string, unknown>>): readonly Fault[] {
  const tracing = at(mesh, ...TRACING)
  const lightstep = at(tracing, 'lightstep')
  return [
    ...collector('zipkin', at(tracing, 'zipkin'), onNode),
    ...collector('datadog', at(tracing, 'datadog'), onNode),
    ...collector('lightstep', lightstep),
    ...(lightstep !== undefined && text(at(lightstep, 'accessToken')) === ''
      ? [{ path: [...TRACING, 'lightstep'], problem: 'has no accessToken', hint: 'set its accessToken' }]
      : []),
    ...tlsFaults(at(tracing, 'tlsSettings')),
  ]
}

/** Fills in `$(HOST_IP)`, as the proxy's agent does for zipkin and datadog. */
const onNode = (address: string): string => address.replace('$(HOST_IP)', '127.0.0.1')

function collector(name: string, settings: unknown, filled = (address: string): string => address): readonly Fault[] {
  if (settings === undefined) return []
  const given = text(at(settings, 'address'))
  if (isAddress(filled(given))) return []
  const problem = given === '' ? 'is not set, and istiod requires HOST:PORT' : `is ${shown(given)}, and istiod requires HOST:PORT`
  return [{ path: [...TRACING, name, 'address'], problem, hint: 'write its address as HOST:PORT' }]
}

/** ValidateTLS, for settings that belong to no namespace. */
function tlsFaults(tls: unknown): readonly Fault[] {
  const isSet = (name: string): boolean => text(at(tls, name)) !== '' || list(at(tls, name)).length > 0
  const each = (names: readonly string[], problem: string, hint: string): readonly Fault[] =>
    names.map((name) => ({ path: [...TRACING, 'tlsSettings', name], problem, hint }))
  const [simple, mutual] = [isMode(tls, 'SIMPLE', 1), isMode(tls, 'MUTUAL', 2)]
  const byName = isSet('credentialName') && (simple || mutual)
  const verifying = simple ? ['caCertificates', 'credentialName', 'subjectAltNames'] : mutual ? ['caCertificates', 'subjectAltNames'] : []
  return [
    ...(text(at(tls, 'credentialName')).startsWith('configmap://')
      ? each(['credentialName'], 'names a ConfigMap, which a mesh config cannot', 'name a Secret')
      : []),
    ...(at(tls, 'insecureSkipVerify') === true
      ? each(verifying.filter(isSet), 'is set with insecureSkipVerify', 'remove it, or insecureSkipVerify')
      : []),
    ...(byName ? each(FILES.filter(isSet), 'is set with credentialName', 'remove it, or credentialName') : []),
    ...(mutual && !byName
      ? each(
          ['clientCertificate', 'privateKey'].filter((name) => !isSet(name)),
          'is missing, and mode is MUTUAL',
          'set it, or credentialName',
        )
      : []),
  ]
}

const FILES = ['clientCertificate', 'caCertificates', 'privateKey', 'caCrl'] as const

const isMode = (tls: unknown, name: string, number: number): boolean => [name, number].some((one) => one === at(tls, 'mode'))
