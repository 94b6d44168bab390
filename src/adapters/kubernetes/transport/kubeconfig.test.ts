import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadKubeconfig } from './kubeconfig.ts'

async function file(content: unknown): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'kubeconfig-')), 'config')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
const config = (name: string, user: object | undefined = { token: 't' }, cluster: object = {}) => ({
  clusters: [{ name, cluster: { server: `https://${name}.example:6443`, ...cluster } }],
  users: user === undefined ? [] : [{ name, user }],
  contexts: [{ name, context: { cluster: name, ...(user === undefined ? {} : { user: name }) } }],
})

describe('a kubeconfig', () => {
  it('merges all files of KUBECONFIG, skips missing ones, and uses the first of two equal entries', async () => {
    const [a, b] = [
      await file(config('a')),
      await file({ ...config('b'), clusters: [...config('b').clusters, { name: 'a', cluster: { server: 'https://other' } }] }),
    ]
    const found = await loadKubeconfig({ env: { KUBECONFIG: [a, '/nowhere/at/all', b].join(delimiter) } })
    expect(found.contexts).toEqual(['a', 'b'])
    expect(found.access('a').server.href).toBe('https://a.example:6443/')
  })

  it('lists the contexts in the error about an unknown one', async () => {
    const found = await loadKubeconfig({ path: await file(config('a')), env: {} })
    expect(() => found.access('c')).toThrow(expect.objectContaining({ code: 'context-unknown', hint: 'known contexts: a' }))
  })

  it('is reported if none exists', async () => {
    const found = await loadKubeconfig({ env: { HOME: '/nowhere' } })
    expect(() => found.access('c')).toThrow(
      expect.objectContaining({ code: 'context-unknown', message: expect.stringContaining('no kubeconfig') }),
    )
  })

  it('that is not YAML is rejected without quoting it', async () => {
    const path = await file('users: [{user: {token: very-secret}}\n  }')
    const thrown = await loadKubeconfig({ path, env: {} }).catch((e: Error & { code: string }) => e)
    expect(thrown).toMatchObject({ code: 'file-unreadable', subject: path })
    expect((thrown as Error).message).not.toContain('very-secret')
  })

  it('keeps the cluster’s CA for a context without a user', async () => {
    const ca = Buffer.from('PEM').toString('base64')
    const found = await loadKubeconfig({ path: await file(config('a', undefined, { 'certificate-authority-data': ca })), env: {} })
    expect((await found.access('a').credentials()).ca?.toString()).toBe('PEM')
  })

  it('reads the token from a tokenFile, by a path relative to the kubeconfig', async () => {
    const path = await file(config('a', { token: 'stale', tokenFile: 'token' }))
    await writeFile(join(path, '..', 'token'), 'from-file\n')
    const found = await loadKubeconfig({ path, env: {} })
    expect((await found.access('a').credentials()).headers).toMatchObject({ Authorization: 'Bearer from-file' })
  })

  it('is rejected with the path of a tokenFile that is missing', async () => {
    const path = await file(config('a', { tokenFile: '/nowhere/token' }))
    await expect(loadKubeconfig({ path, env: {} })).rejects.toMatchObject({ code: 'file-unreadable' })
  })

  it('runs an exec plugin once for requests that start together', async () => {
    const counter = await file('')
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'from-plugin' } }
    const plugin = await file(`#!/bin/sh\necho run >> ${counter}\necho '${JSON.stringify(credential)}'\n`)
    await chmod(plugin, 0o755)
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' }
    const access = (await loadKubeconfig({ path: await file(config('a', { exec })), env: {} })).access('a')
    const all = await Promise.all([access.credentials(), access.credentials(), access.credentials()])
    expect(all.map((one) => (one.headers as Record<string, string>).Authorization)).toEqual(Array(3).fill('Bearer from-plugin'))
    const { readFile } = await import('node:fs/promises')
    expect((await readFile(counter, 'utf8')).trim().split('\n')).toHaveLength(1)
  })

  it('is reported with its context if the plugin fails', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/nowhere/plugin', interactiveMode: 'Never' }
    const access = (await loadKubeconfig({ path: await file(config('a', { exec })), env: {} })).access('a')
    await expect(access.credentials()).rejects.toMatchObject({ code: 'cluster-refused', subject: 'a' })
  })
})
