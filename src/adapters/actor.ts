/** Identifies the user of this machine. */
import { userInfo } from 'node:os'
import type { Actor } from '../core/model/wanted.ts'

/** The operating system's name for the user. @param otherwise used if it has none */
export function actorHere(otherwise = 'unknown'): Actor {
  try {
    return { name: userInfo().username, via: 'os' }
  } catch {
    return { name: otherwise, via: 'os' }
  }
}
