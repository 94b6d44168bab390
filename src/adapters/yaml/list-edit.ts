/** Edits YAML text: adds an item to a list, or removes one. It changes no other byte of the text. */
import { type CST, Document, isScalar, type Pair, type YAMLMap, type YAMLSeq } from 'yaml'

/** The fields of an item, in their order. */
export type Item = Readonly<Record<string, string | readonly string[] | object>>

/** Where a list is, or where it is to be. The document must keep its source tokens (`keepSourceTokens`). */
export interface ListPlace {
  /** The map with the list. */
  readonly map: YAMLMap
  readonly key: string
  /** Absent: the map has no such key, or the key has no value. */
  readonly list?: YAMLSeq | undefined
}

/**
 * The text with one more item at the end of the list, in the list's own style: indented or not, flow or block. The new
 * lines end as the line before them.
 */
export function withItem(text: string, { map, key, list }: ListPlace, item: Item): string {
  if (list !== undefined) return list.flow === true ? withFlowItem(text, list, item, quoted(map)) : withBlockItem(text, list, item)
  const pair = map.items.find((one) => nameOf(one) === key)
  if (pair !== undefined) return withValue(text, map, pair, item)
  const end = endOf(map.items.at(-1))
  if (map.flow === true) return insert(text, end, `, ${quoted(map) ? JSON.stringify(key) : key}: [${flowItem(item, quoted(map))}]`)
  const column = columnOf(text, startOf(map.items[0]))
  return insertLines(text, afterComments(text, end, column), [`${' '.repeat(column)}${key}:`, ...blockItem(item, column + 2)])
}

/** The text without the item at this index. A list that loses its last block item becomes a key without a value. */
export function withoutItem(text: string, list: YAMLSeq, index: number): string {
  const [start, end] = rangeOf(list.items[index])
  const token = list.srcToken as CST.BlockSequence | CST.FlowCollection
  if (list.flow !== true) return cutLines(text, separator(token, index, 'seq-item-ind') ?? start, lineAfter(text, end))
  if (index + 1 < list.items.length) return cut(text, start, rangeOf(list.items[index + 1])[0])
  const comma = separator(token, index, 'comma')
  if (comma !== undefined) return cut(cut(text, text.slice(comma + 1, start).trim() === '' ? comma + 1 : start, end), comma, comma + 1)
  const following = separator(token, index + 1, 'comma')
  return cut(text, start, following === undefined ? end : following + 1)
}

function withFlowItem(text: string, list: YAMLSeq, item: Item, json: boolean): string {
  const last = list.items.at(-1)
  if (last !== undefined) return insert(text, rangeOf(last)[1], `, ${flowItem(item, json)}`)
  const { start } = list.srcToken as CST.FlowCollection
  return insert(text, start.offset + 1, flowItem(item, json))
}

function withBlockItem(text: string, list: YAMLSeq, item: Item): string {
  const at = list.items.length - 1
  const [start, end] = rangeOf(list.items[at])
  const column = columnOf(text, separator(list.srcToken as CST.BlockSequence, at, 'seq-item-ind') ?? start)
  return insertLines(text, afterComments(text, end, column + 1), blockItem(item, column))
}

/** A key whose value is nothing, `~` or `null`. */
function withValue(text: string, map: YAMLMap, pair: Pair, item: Item): string {
  const value = isScalar(pair.value) ? pair.value : undefined
  const [start, end] = value?.range ?? [endOf(pair), endOf(pair)]
  if (map.flow === true) return `${text.slice(0, start)}${start === end ? ' ' : ''}[${flowItem(item, quoted(map))}]${text.slice(end)}`
  if (start !== end) return `${text.slice(0, start)}[${flowItem(item, quoted(map))}]${text.slice(end)}`
  return insertLines(text, lineAfter(text, start), blockItem(item, columnOf(text, startOf(pair)) + 2))
}

/** In a JSON file every name is quoted, and a new one must be. */
const quoted = ({ items: [first] }: YAMLMap): boolean => isScalar(first?.key) && first.key.type === 'QUOTE_DOUBLE'

function flowItem(item: Item, json: boolean): string {
  const document = new Document(null)
  document.contents = document.createNode(item, { flow: true }) as never
  const types = json ? ({ defaultKeyType: 'QUOTE_DOUBLE', defaultStringType: 'QUOTE_DOUBLE' } as const) : {}
  return document.toString({ ...TEXT, ...types }).trimEnd()
}

function blockItem(item: Item, column: number): readonly string[] {
  const lines = new Document(item).toString(TEXT).trimEnd().split('\n')
  return lines.map((line, i) => `${' '.repeat(column)}${i === 0 ? '- ' : '  '}${line}`)
}

/** One line for each value, whatever is in it. */
const TEXT = { lineWidth: 0, blockQuote: false } as const

const insert = (text: string, at: number, more: string): string => text.slice(0, at) + more + text.slice(at)
const cut = (text: string, from: number, to: number): string => text.slice(0, from) + text.slice(to)

/** Without the last line, a text whose last line has no end still has none. */
function cutLines(text: string, from: number, to: number): string {
  const start = lineStart(text, from)
  if (to < text.length || text.endsWith('\n')) return cut(text, start, to)
  return text.slice(0, start).replace(/\r?\n$/, '')
}

/** @param at the start of a line, or the end of a text whose last line has no end */
function insertLines(text: string, at: number, lines: readonly string[]): string {
  const eol = text.endsWith('\r\n', at) || (!text.endsWith('\n', at) && text.includes('\r\n')) ? '\r\n' : '\n'
  const ends = at === 0 || text.endsWith('\n', at)
  return insert(text, at, ends ? lines.map((line) => line + eol).join('') : lines.map((line) => eol + line).join(''))
}

/** Comments that are indented at least to `column` belong to what is above them. */
function afterComments(text: string, end: number, column: number): number {
  let at = lineAfter(text, end)
  for (;;) {
    const [line, spaces = ''] = /^( *)#[^\n]*\n?/.exec(text.slice(at)) ?? []
    if (line === undefined || spaces.length < column) return at
    at += line.length
  }
}

/** The start of the line after this position; the position itself if a block scalar ends there, with its line. */
function lineAfter(text: string, position: number): number {
  if (position > 0 && text[position - 1] === '\n') return position
  const end = text.indexOf('\n', position)
  return end < 0 ? text.length : end + 1
}

const lineStart = (text: string, position: number): number => text.lastIndexOf('\n', position - 1) + 1
const columnOf = (text: string, position: number): number => position - lineStart(text, position)

/** The offset of the `-` or the comma before the item at this index. */
const separator = (token: CST.BlockSequence | CST.FlowCollection, index: number, type: 'seq-item-ind' | 'comma'): number | undefined =>
  token.items[index]?.start.find((one) => one.type === type)?.offset

function rangeOf(node: unknown): readonly [number, number] {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined
  return Array.isArray(range) ? [Number(range[0]), Number(range[1])] : [0, 0]
}

const nameOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key)
const startOf = (pair: Pair | undefined): number => rangeOf(pair?.key)[0]
const endOf = (pair: Pair | undefined): number => Math.max(rangeOf(pair?.key)[1], rangeOf(pair?.value)[1])
