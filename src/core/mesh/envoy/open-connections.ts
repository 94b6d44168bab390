/** Reads the number of open connections from Envoy's admin port, as Istio configures it. */
import { at, list, text } from '../../model/manifest.ts'
import type { Connections } from '../../model/observed.ts'

/**
 * A changed listener keeps its old filter chains for the drain time. Then Envoy closes the connections left in them
 * (Envoy source/common/listener_manager/listener_manager_impl.cc, drainFilterChains).
 *
 * Every proxy of Istio has the statistics `listener_manager` and `server`, because its readiness probe needs them
 * (pkg/bootstrap/config.go). Statistics of single listeners, filter chains and clusters are off.
 */
const COUNTED = ['listener_manager.total_filter_chains_draining', 'listener_manager.total_listeners_draining']
const WARMING = 'listener_manager.total_listeners_warming'
const OPEN = 'server.total_connections'

export const INFO_PATH = '/server_info'
export const COUNTS_PATH = `/stats?format=json&filter=${encodeURIComponent(`^(${[...COUNTED, WARMING, OPEN].join('|').replaceAll('.', '\\.')})$`)}`

/** Returns undefined if one of the numbers is missing. */
export function readConnections(info: unknown, counts: unknown): Omit<Connections, 'proxy'> | undefined {
  const numbers = new Map(list(at(counts, 'stats')).map((stat) => [text(at(stat, 'name')), at(stat, 'value')]))
  const count = (name: string): number => whole(numbers.get(name))
  const draining = [...COUNTED, WARMING].map(count).reduce((sum, one) => sum + one, 0)
  const told = {
    upSeconds: seconds(at(info, 'uptime_current_epoch')),
    drainSeconds: seconds(at(info, 'command_line_options', 'drain_time')),
    draining,
    open: count(OPEN),
  }
  return Object.values(told).some(Number.isNaN) ? undefined : told
}

const whole = (value: unknown): number => (Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : Number.NaN)

/** A protobuf Duration in JSON: `45s`. */
const seconds = (value: unknown): number => whole(Number(/^(\d{1,9})(?:\.\d+)?s$/.exec(text(value))?.[1] ?? Number.NaN))
