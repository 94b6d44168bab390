/** Watches a list of objects on an API server until the caller stops it: every object first, then each change. */
import { request } from 'node:https'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials, KubeObject } from './kube.ts'

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: KubeObject
}

/** A server that ends the watch, or is not there, is asked again, and all objects then come again as ADDED. @param path of the list */
export async function watch(credentials: Credentials, path: string, onChange: (change: Change) => void): Promise<never> {
  for (;;) {
    await once(credentials, path, onChange).catch(() => {})
    await sleep(200)
  }
}

function once({ server, ca, token }: Credentials, path: string, onChange: (change: Change) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
    const sent = request(`${server}${path}${path.includes('?') ? '&' : '?'}watch=1`, { ca, headers }, (response) => {
      if (response.statusCode !== 200) sent.destroy(new Error(`${path}: ${response.statusCode}`))
      const lines = createInterface(response)
      lines.on('line', (line) => {
        const change = parse(line)
        if (change === undefined) return
        if (change.type === 'ERROR') sent.destroy(new Error(line))
        else if (change.type !== 'BOOKMARK') onChange(change as Change)
      })
      // If the server is killed within a line, the lines fail with the response, and the half line is not parsed.
      for (const stream of [response, lines]) stream.on('error', reject)
      response.on('close', resolve)
    })
    sent.on('error', reject)
    sent.end()
  })
}

function parse(line: string): Change | { readonly type: 'ERROR' | 'BOOKMARK' } | undefined {
  try {
    return JSON.parse(line) as Change | { readonly type: 'ERROR' | 'BOOKMARK' }
  } catch {
    return undefined
  }
}
