/** What is wrong with the words of a command line is told like every other error: what, why, and what to type next. */
import { describe, expect, it } from 'vitest'
import { quietIo } from '../../test/support/workspace.ts'
import { program } from './program.ts'

async function say(...words: readonly string[]): Promise<string> {
  const told: string[] = []
  const io = quietIo({ print: () => {}, tell: (text) => void told.push(text) })
  await program(io, '1.2.3', async (code) => void (await code))
    .parseAsync(words, { from: 'user' })
    .catch(() => {})
  return told.join('\n')
}

describe('a command line that cannot be', () => {
  it.each([
    [['plann'], "error usage: entente: unknown command 'plann'\n  next: did you mean plan?"],
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
      "error usage: bundle inspect: option '--at <time>' argument 'noon' is invalid. want a time as RFC 3339: 2027-01-31T00:00:00Z\n  next: entente bundle inspect --help",
    ],
  ])('%j', async (words, said) => {
    expect(await say(...words)).toBe(said)
  })
})

describe('help', () => {
  const io = quietIo({ print: () => {}, tell: () => {} })
  const leaves = (command: ReturnType<typeof program>): readonly ReturnType<typeof program>[] =>
    command.commands.flatMap((one) => (one.commands.length > 0 ? leaves(one) : one.name() === '__complete' ? [] : [one]))

  it.each(leaves(program(io, '1.2.3', async () => {})).map((command) => [command.name(), command] as const))(
    'of %s says what it does, and has an example',
    (_, command) => {
      const parts: string[] = []
      command.configureOutput({ writeOut: (part) => void parts.push(part) }).outputHelp()
      expect(command.description()).not.toBe('')
      expect(parts.join('')).toMatch(/\n(Example:\n {2}(.*\| )?entente |Example:\n {2}source )/)
    },
  )
})
