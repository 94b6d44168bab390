/** What Envoy's admin port tells of connections that are open, as Istio configures it. */
import { at, list, text } from '../../model/manifest.ts'
import type { Connections } from '../../model/observed.ts'

/**
 * Listeners that change keep their old filter chains for the drain time, and close what is left of them then
 * (Envoy source/common/listener_manager/listener_manager_impl.cc, drainFilterChains). `listener_manager` and `server` are
 * the statistics that every proxy of Istio has (pkg/bootstrap/config.go, needed by its readiness probe); those of single
 * listeners, filter chains and clusters are off.
 */
const COUNTED = ['listener_manager.total_filter_chains_draining', 'listener_manager.total_listeners_draining']
const WARMING = 'listener_manager.total_listeners_warming'
const OPEN = 'server.total_connections'

export const INFO_PATH = '/server_info'
export const COUNTS_PATH = `/stats?format=json&filter=${encodeURIComponent(`^(${[...COUNTED, WARMING, OPEN].join('|').replaceAll('.', '\\.')})$`)}`

/** Undefined where one of the numbers is missing: then nothing is known. */
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
