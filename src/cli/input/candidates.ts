/** The candidates for the shell's completion, computed from the command tree, so that they always match the commands. */
import type { Argument, Command, Option } from 'commander'

export interface Candidate {
  readonly word: string
  readonly about: string
}

export interface Candidates {
  readonly words: readonly Candidate[]
  /** The shell may add file names. */
  readonly files: boolean
}

/** Names that have to be read from files; they are read on demand. */
export interface Names {
  readonly members: () => Promise<readonly string[]>
  readonly contexts: () => Promise<readonly string[]>
}

const NONE: Candidates = { words: [], files: false }
const FILES: Candidates = { words: [], files: true }

/** @param typed the words after the program's name; the last one is being typed, and may be empty */
export async function candidates(root: Command, typed: readonly string[], names: Names): Promise<Candidates> {
  const current = typed.at(-1) ?? ''
  let command = root
  let positionals = 0
  let pending: Option | undefined
  let onlyArguments = false
  for (const word of typed.slice(0, -1)) {
    if (pending !== undefined) pending = undefined
    else if (onlyArguments) positionals += 1
    else if (word === '--') onlyArguments = true
    else if (word.startsWith('-')) pending = valueWanted(command, word)
    else {
      const inner = visible(command).find((child) => child.name() === word)
      if (inner === undefined) positionals += 1
      else command = inner
    }
  }
  const found = await (pending !== undefined
    ? optionValues(pending, names)
    : current.startsWith('-') && !onlyArguments
      ? { words: options(command), files: false }
      : argumentsOf(command, positionals, names))
  return { ...found, words: found.words.filter(({ word }) => word.startsWith(current)) }
}

const visible = (command: Command): readonly Command[] => command.createHelp().visibleCommands(command)

/** The option whose value comes next, if the word is an option that requires a value and has no `=`. */
function valueWanted(command: Command, word: string): Option | undefined {
  const option = command.options.find((known) => known.long === word || known.short === word)
  return option?.required === true || option?.optional === true ? option : undefined
}

const options = (command: Command): readonly Candidate[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap((option) => (option.long === undefined ? [] : [{ word: option.long, about: option.description }]))

async function optionValues(option: Option, names: Names): Promise<Candidates> {
  if (option.argChoices !== undefined) return words(option.argChoices)
  if (option.long === '--context') return words(await names.contexts())
  return /<(file|path|dir)>/.test(option.flags) ? FILES : NONE
}

async function argumentsOf(command: Command, at: number, names: Names): Promise<Candidates> {
  const children = visible(command)
  if (children.length > 0) return { words: children.map((child) => ({ word: child.name(), about: child.description() })), files: false }
  const known = command.registeredArguments
  const argument: Argument | undefined = known[at] ?? (known.at(-1)?.variadic === true ? known.at(-1) : undefined)
  if (argument === undefined) return NONE
  if (argument.argChoices !== undefined) return words(argument.argChoices)
  return ['member', 'truster', 'trusted'].includes(argument.name()) ? words(await names.members()) : FILES
}

const words = (plain: readonly string[]): Candidates => ({ words: plain.map((word) => ({ word, about: '' })), files: false })
