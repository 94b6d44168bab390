/** Usage errors have the form of every other error: what is wrong, why, and the next command. */
import { describe, expect, it } from 'vitest'
import { quietIo } from '../../test/support/workspace.ts'
import { program } from './program.ts'

async function say(...words: readonly string[]): Promise<string> {
  const printed: string[] = []
  const io = quietIo({ print: () => {}, report: (text) => void printed.push(String(text)) })
  await program(io, '1.2.3', async (code) => void (await code))
    .parseAsync(words, { from: 'user' })
    .catch(() => {})
  return printed.join('\n')
}

describe('a usage error', () => {
  it.each([
    [['plann'], "error usage: entente: unknown command 'plann'\n  next: did you mean plan?"],
    [['get'], "error usage: entente: unknown command 'get'\n  next: entente status"],
    [['diff'], "error usage: entente: unknown command 'diff'\n  next: entente plan"],
    [['nonsense'], "error usage: entente: unknown command 'nonsense'\n  next: entente --help"],
    [['plan', '--nope'], "error usage: plan: unknown option '--nope'\n  next: entente plan --help"],
    [['plan', '--evidense', 'x'], "error usage: plan: unknown option '--evidense'\n  next: did you mean --evidence?"],
    [['approve'], "error usage: approve: missing required argument 'member'\n  next: entente approve --help"],
    [['apply'], "error usage: apply: required option '--reason <text>' not specified\n  next: entente apply --help"],
    [
      ['status', '-o', 'yaml'],
      "error usage: status: option '-o, --output <format>' argument 'yaml' is invalid. Allowed choices are text, json\n  next: entente status --help",
    ],
    [['audit', 'nope'], "error usage: audit: unknown command 'nope'\n  next: entente audit --help"],
    [['audit', 'log', '--nope'], "error usage: audit log: unknown option '--nope'\n  next: entente audit log --help"],
    [
      ['bundle', 'inspect', 'x', '--at', 'noon'],
      "error usage: bundle inspect: option '--at <time>' argument 'noon' is invalid. give a time as RFC 3339: 2027-01-31T00:00:00Z\n  next: entente bundle inspect --help",
    ],
  ])('%j', async (words, said) => {
    expect(await say(...words)).toBe(said)
  })

  it.each([
    '12',
    '2027',
    '2027-01-31',
    '2027-01-31T00:00:00',
    '2027-01-31 00:00:00Z',
    '2027-02-31T00:00:00Z',
    '2027-02-29T00:00:00+01:00',
    '2027-01-31T24:00:00Z',
    '2027-01-31T00:00:00+24:00',
    'Sun, 31 Jan 2027 00:00:00 GMT',
  ])('--at %s', async (time) => {
    for (const words of [
      ['bundle', 'inspect', 'x'],
      ['bundle', 'convert', 'x', '--to', 'pem'],
      ['chain', 'verify', '--trusted', 'x', '--chain', 'x'],
    ])
      expect(await say(...words, '--at', time)).toContain(`argument '${time}' is invalid. give a time as RFC 3339: 2027-01-31T00:00:00Z`)
  })

  it.each(['2028-02-29T23:59:59Z', '2027-01-31t00:00:00.5z', '2027-01-31T00:00:00-08:00'])('accepts --at %s', async (time) => {
    expect(await say('bundle', 'inspect', '/nowhere', '--at', time)).not.toContain('usage')
  })
})

describe('the limits for each member', () => {
  const READING = [
    ['init', '--context', 'a'],
    ['export', '--context', 'a'],
    ['approve', 'a'],
    ['plan'],
    ['apply', '--reason', 'r'],
    ['verify'],
    ['mount'],
    ['status'],
    ['sever', 'a', 'b', '--reason', 'r'],
    ['impact'],
    ['doctor'],
    ['rotate', 'a'],
    ['audit', 'verify'],
  ]
  it.each(READING.map((words) => [words]))('are options of %j', async (words) => {
    expect(await say(...words, '--look-timeout', '0')).toContain(
      "'--look-timeout <duration>' argument '0' is invalid. give more than no time",
    )
  })

  it.each([
    ['--look-timeout', '9999999m', 'at most a day'],
    ['--look-timeout', '-1s', 'give a duration'],
    ['--call-timeout', 'soon', 'give a duration'],
    ['--call-timeout', '0ms', 'more than no time'],
    ['--max-list-bytes', '0', 'at most 512MiB'],
    ['--max-list-bytes', '1TiB', 'at most 512MiB'],
    ['--max-list-bytes', '999999999999', 'at most 512MiB'],
    ['--max-list-pages', '0', 'from 1 to 999999'],
    ['--max-list-pages', '1.5', 'from 1 to 999999'],
    ['--max-dump-bytes', '64MB', 'at most 512MiB'],
  ])('reject %s %s', async (flag, value, words) => {
    expect(await say('plan', flag, value)).toContain(words)
  })
})

describe('help', () => {
  const io = quietIo({ print: () => {}, report: () => {} })
  const leaves = (command: ReturnType<typeof program>): readonly ReturnType<typeof program>[] =>
    command.commands.flatMap((one) => (one.commands.length > 0 ? leaves(one) : one.name() === '__complete' ? [] : [one]))

  it.each(leaves(program(io, '1.2.3', async () => {})).map((command) => [command.name(), command] as const))(
    'for %s says what it does, and has an example',
    (_, command) => {
      const parts: string[] = []
      command.configureOutput({ writeOut: (part) => void parts.push(part) }).outputHelp()
      expect(command.description()).not.toBe('')
      expect(parts.join('')).toMatch(/\n(Example:\n {2}(.*\| )?entente |Example:\n {2}source )/)
    },
  )
})
