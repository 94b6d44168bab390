/** Who is at this machine. */
import { userInfo } from 'node:os'
import type { Actor } from '../core/model/wanted.ts'

/** As the operating system names them. @param otherwise where it has no name for them */
export function actorHere(otherwise = 'unknown'): Actor {
  try {
    return { name: userInfo().username, via: 'os' }
  } catch {
    return { name: otherwise, via: 'os' }
  }
}
