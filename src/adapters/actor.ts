/** Identifies the user of this machine. */
import { userInfo } from 'node:os'
import type { Actor } from '../core/model/wanted.ts'

/**
 * The operating system's name for the user.
 * @param otherwise used if it has none
 * @param claimed the name that the user gives, such as the person who started a CI job
 */
export function actorHere(otherwise = 'unknown', claimed?: string): Actor {
  return { name: osName() ?? otherwise, via: 'os', ...(claimed === undefined ? {} : { claimed }) }
}

function osName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}
