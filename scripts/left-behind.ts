/** Finds processes that inherited a mark in `ENTENTE_E2E_RUN`, except this process and its descendants. */
import { readdirSync, readFileSync } from 'node:fs'

/** @returns `PID COMMAND` of each */
export function leftBehind(mark: string): readonly string[] {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
  return all.filter((pid) => read(pid, 'environ').includes(`ENTENTE_E2E_RUN=${mark}\0`) && !isBelow(pid)).map(tell)
}

function isBelow(pid: number): boolean {
  for (let at = pid; at > 1; at = parentOf(at)) if (at === process.pid) return true
  return false
}

/** proc(5): the name may hold spaces and parentheses; the state and the parent follow it. @returns 0 if the process ended */
const parentOf = (pid: number): number => Number(read(pid, 'stat').split(') ').at(-1)?.split(' ')[1] ?? 0)

const tell = (pid: number): string => `${pid} ${read(pid, 'cmdline').replaceAll('\0', ' ').trim()}`

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
