/** One bridge, and a network namespace for every pod, istiod included. Addresses: see layout.ts. */

import { apiServerAddress, BRIDGE, CLUSTERS, HOST_ADDRESS, NETNS_PREFIX } from './layout.ts'
import { identify, signalGroup } from './processes.ts'
import { outcome, run, until } from './run.ts'

const BRIDGE_MAC = '02:e7:7e:47:e0:01'

const ip = (...args: readonly string[]): Promise<string> => run('ip', args)

/** @throws Error when the machine already has a 10.77.0.0/16 of someone else's */
export async function createBridge(): Promise<void> {
  const taken = (await ip('-o', '-4', 'address', 'show')).split('\n').find((line) => / 10\.77\./.test(line))
  if (taken !== undefined) throw new Error(`10.77.0.0/16 is in use on this machine: ${taken.trim()}`)
  // Without its own MAC address a bridge uses the lowest of its ports'; when that changes, connections to the host hang for a while.
  await ip('link', 'add', BRIDGE, 'address', BRIDGE_MAC, 'type', 'bridge')
  await ip('link', 'set', BRIDGE, 'up')
  // The first address is the primary one: all that the host sends comes from there.
  for (const address of [HOST_ADDRESS, ...CLUSTERS.map(apiServerAddress)]) await ip('address', 'add', `${address}/16`, 'dev', BRIDGE)
}

/** A network namespace with one leg on the bridge, as `eth0`. */
export async function createNetns(name: string, address: string): Promise<void> {
  const [, , cluster, octet] = address.split('.')
  const leg = `ev${cluster}-${octet}`
  await ip('netns', 'add', name)
  await ip('link', 'add', leg, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  await ip('link', 'set', leg, 'master', BRIDGE, 'up')
  await ip('-n', name, 'address', 'add', `${address}/16`, 'dev', 'eth0')
  await ip('-n', name, 'link', 'set', 'eth0', 'up')
  await ip('-n', name, 'link', 'set', 'lo', 'up')
  // Service addresses need a route, so that the kernel sends packets that iptables redirects to Envoy. Nothing leaves: no gateway.
  await ip('-n', name, 'route', 'add', 'default', 'dev', 'eth0')
}

/** Ends whatever still runs inside, then removes it. Its leg goes first: with the namespace, it would go some time later. */
export async function deleteNetns(name: string): Promise<void> {
  await endInside(name)
  await outcome('ip', ['-n', name, 'link', 'delete', 'eth0'])
  await outcome('ip', ['netns', 'delete', name])
}

export async function netnsList(): Promise<string[]> {
  const lines = (await ip('netns', 'list')).split('\n').map((line) => line.split(' ')[0] ?? '')
  return lines.filter((name) => name.startsWith(NETNS_PREFIX))
}

export async function bridgeExists(): Promise<boolean> {
  return (await outcome('ip', ['link', 'show', BRIDGE])).code === 0
}

export async function deleteBridge(): Promise<void> {
  if (await bridgeExists()) await ip('link', 'delete', BRIDGE)
}

/** Drops all packets between a namespace and an address, both ways, or undoes that. */
export async function setCut(netns: string, address: string, cut: boolean): Promise<void> {
  await setRule(netns, ['INPUT', '-s', address, '-j', 'DROP'], cut)
  await setRule(netns, ['OUTPUT', '-d', address, '-j', 'DROP'], cut)
}

/** Drops connections from the host to these ports of a namespace, or undoes that. */
export async function setHidden(netns: string, ports: readonly number[], hidden: boolean): Promise<void> {
  await setRule(netns, ['INPUT', '-p', 'tcp', '-s', HOST_ADDRESS, '-m', 'multiport', '--dports', ports.join(','), '-j', 'DROP'], hidden)
}

/** The rule is there once, or not at all, however often that is asked for. */
async function setRule(netns: string, rule: readonly string[], wanted: boolean): Promise<void> {
  const there = (await outcome('ip', ['netns', 'exec', netns, 'iptables', '-C', ...rule])).code === 0
  if (there !== wanted) await inside(netns, 'iptables', [wanted ? '-I' : '-D', ...rule])
}

export const inside = (netns: string, command: string, args: readonly string[]): Promise<string> =>
  run('ip', ['netns', 'exec', netns, command, ...args])

/** A process in one of our namespaces is ours, recorded or not. */
async function endInside(netns: string): Promise<void> {
  await until(`processes in ${netns} to end`, async () => {
    const pids = (await outcome('ip', ['netns', 'pids', netns])).stdout.split('\n').filter(Boolean).map(Number)
    for (const pid of pids) end(pid)
    return pids.length === 0
  })
}

function end(pid: number): void {
  const identity = identify(pid)
  if (identity === undefined) return
  signalGroup(identity, 'SIGKILL')
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // gone meanwhile
  }
}
