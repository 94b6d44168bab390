/** What istiod makes of modes, protocols and servers: recorded by test/e2e/shapes.e2e.ts, which compares it with what it makes now. */
import type { Chain, Cluster } from './filter-merge.ts'

/** The versions of istiod, and of the proxies beside it, that it was recorded with. */
export const RECORDED: readonly string[] = ['1.31-alpha.eed52ebb66ad']

export const CHAINS: Readonly<Record<string, readonly Chain[]>> = {
  'PERMISSIVE unnamed': [
    {
      transportProtocol: 'tls',
      alpn: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    { transportProtocol: 'raw_buffer', alpn: ['http/1.1', 'h2c'] },
    {
      transportProtocol: 'tls',
      alpn: ['istio-peer-exchange', 'istio'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    { transportProtocol: 'raw_buffer' },
    { transportProtocol: 'tls' },
  ],
  'PERMISSIVE http': [
    {
      transportProtocol: 'tls',
      alpn: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    { transportProtocol: 'raw_buffer' },
  ],
  'PERMISSIVE auto': [
    {
      transportProtocol: 'tls',
      alpn: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    { transportProtocol: 'raw_buffer', alpn: ['http/1.1', 'h2c'] },
    {
      transportProtocol: 'tls',
      alpn: ['istio-peer-exchange', 'istio'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    { transportProtocol: 'raw_buffer' },
    { transportProtocol: 'tls' },
  ],
  'PERMISSIVE tcp': [
    {
      transportProtocol: 'tls',
      alpn: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    { transportProtocol: 'tls' },
    { transportProtocol: 'raw_buffer' },
  ],
  'STRICT unnamed': [
    {
      transportProtocol: 'tls',
      alpn: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    {
      transportProtocol: 'tls',
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
  ],
  'STRICT http': [
    {
      transportProtocol: 'tls',
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
  ],
  'STRICT auto': [
    {
      transportProtocol: 'tls',
      alpn: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
    {
      transportProtocol: 'tls',
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
  ],
  'STRICT tcp': [
    {
      transportProtocol: 'tls',
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
      },
    },
  ],
  'DISABLE unnamed': [{ transportProtocol: 'raw_buffer', alpn: ['http/1.1', 'h2c'] }, { transportProtocol: 'raw_buffer' }],
  'DISABLE http': [{ transportProtocol: 'raw_buffer' }],
  'DISABLE auto': [{ transportProtocol: 'raw_buffer', alpn: ['http/1.1', 'h2c'] }, { transportProtocol: 'raw_buffer' }],
  'DISABLE tcp': [{ transportProtocol: 'raw_buffer' }],
  'gateway HTTPS ISTIO_MUTUAL': [
    {
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: [], client: true },
      },
    },
  ],
  'gateway TLS ISTIO_MUTUAL': [
    {
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: [], client: true },
      },
    },
  ],
  'gateway HTTPS MUTUAL': [
    {
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: {
          certificates: ['kubernetes://certificate'],
          roots: 'kubernetes://certificate-cacert',
          validated: true,
          sans: [],
          client: true,
        },
      },
    },
  ],
  'gateway HTTPS SIMPLE': [
    {
      socket: {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['kubernetes://certificate'], validated: false, sans: [], client: false },
      },
    },
  ],
  'gateway TLS PASSTHROUGH': [{}],
  'gateway TLS AUTO_PASSTHROUGH': [{ alpn: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'] }],
  'gateway HTTP': [{}],
}

export const CLUSTERS: Readonly<Record<string, Cluster>> = {
  'host auto': {
    choices: {
      'tlsMode-istio': {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['exact'], client: false },
      },
      'tlsMode-disabled': { name: 'envoy.transport_sockets.raw_buffer', settings: 'raw' },
    },
  },
  'host ISTIO_MUTUAL': {
    socket: {
      name: 'envoy.transport_sockets.tls',
      settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['exact'], client: false },
    },
  },
  'host DISABLE': {},
  'host SIMPLE': {
    socket: {
      name: 'envoy.transport_sockets.tls',
      settings: { certificates: [], roots: 'file-root:system', validated: true, sans: [], client: false },
    },
  },
  'host headless': {
    socket: {
      name: 'envoy.transport_sockets.tls',
      settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['exact'], client: false },
    },
  },
  'host MESH_EXTERNAL': {},
  'host MESH_INTERNAL': {
    choices: {
      'tlsMode-istio': {
        name: 'envoy.transport_sockets.tls',
        settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: [], client: false },
      },
      'tlsMode-disabled': { name: 'envoy.transport_sockets.raw_buffer', settings: 'raw' },
    },
  },
}
