/**
 * The one reader in front of the SDK, for both transports and all messages: the text of a server, made such that the SDK
 * can read it, with a note where it would change a number or a field.
 */
import { charsetOf, decodedText } from '../lib/charset.ts'
import { excessOf } from '../lib/json-shape.ts'
import { MAX_ANSWER_PARTS } from '../lib/limits.ts'
import { cutBelow } from '../lib/nesting.ts'
import { INEXACT, inexactNote, NOT_UTF8 } from './exact-answers.ts'
import type { ReadingTurn } from './reading-turn.ts'
import { isFields, tolerantMessage, type Awaited } from './tolerant-messages.ts'

const EVENT_END = /(?:\r\n|\n|\r(?!\n)){2}/
/** Of what came before, so that an end is found that two chunks share. */
const OVERLAP = 3
/** Less than either costs about 30 ms of the thread, until it is kept. */
const LARGE_PARTS = 10_000
const LARGE_LENGTH = 512 * 1024
const BYTE_ORDER_MARK = /^\uFEFF/
/** Deeper than anything that is kept: what calls itself, as JSON.stringify does, ends with the stack at a few thousand levels. */
const MAX_READ_DEPTH = 1_000

export interface Reading {
  awaited: Awaited
  /** Gives the error that is thrown. `most`: how much is taken, in words. */
  onTooLarge: (most: string) => Error
  /** For what is large. */
  turn: Pick<ReadingTurn, 'take'>
}

/** As `readText`; `charset` is what the server calls its encoding. */
export function readBytes(bytes: Uint8Array, reading: Reading, charset?: string): Promise<string | null> {
  const { text, isDamaged } = decodedText(bytes, charset)
  return readText(text, reading, isDamaged ? NOT_UTF8 : null)
}

/**
 * The text of one message, or of a list of them. Null: it is no JSON. Whoever parses, checks and writes it makes everybody
 * else wait: a million names take seconds, and counting them none. So what has too much in it is not parsed, and what has
 * much only in its turn. `damage`: why it is not what the server has said.
 */
export async function readText(
  text: string,
  { awaited, onTooLarge, turn }: Reading,
  damage: string | null = null,
): Promise<string | null> {
  const bare = text.replace(BYTE_ORDER_MARK, '')
  if (hasOver(MAX_ANSWER_PARTS, bare)) throw onTooLarge(`${MAX_ANSWER_PARTS} values and names`)
  const isLarge = bare.length > LARGE_LENGTH || hasOver(LARGE_PARTS, bare)
  const made = (): string | null => madeReadable(bare, awaited, damage)
  return isLarge ? turn.take(made) : made()
}

function hasOver(parts: number, text: string): boolean {
  return excessOf(text, { depth: Number.POSITIVE_INFINITY, parts }) !== null
}

function madeReadable(bare: string, awaited: Awaited, damage: string | null): string | null {
  try {
    const parsed: unknown = JSON.parse(bare)
    const isDeep = excessOf(bare, { depth: MAX_READ_DEPTH, parts: Number.POSITIVE_INFINITY }) !== null
    // Whoever is given it finds that it is too deep, and need not know by how much.
    if (isDeep) cutBelow(parsed, MAX_READ_DEPTH)
    const note = damage ?? (isDeep ? null : inexactNote(bare))
    const read = (message: unknown): unknown => noted(tolerantMessage(message, awaited), note)
    return JSON.stringify(Array.isArray(parsed) ? parsed.map(read) : read(parsed))
  } catch {
    return null
  }
}

function noted(message: unknown, note: string | null): unknown {
  if (note === null || !isFields(message) || !isFields(message['result'])) return message
  return { ...message, result: { ...message['result'], [INEXACT]: note } }
}

/**
 * The same response, whose body is handed on event by event, or in one piece if it is one message. A message is read
 * whatever its content type says.
 */
export async function readResponse(response: Response, reading: Reading): Promise<Response> {
  const { body, status, statusText } = response
  if (!body) return response
  const headers = new Headers(response.headers)
  const type = headers.get('content-type') ?? ''
  if (type.includes('text/event-stream')) {
    const events = body.pipeThrough(eventByEvent(reading))
    return new Response(events, { status, statusText, headers })
  }
  const bytes = new Uint8Array(await response.arrayBuffer())
  const read = await readBytes(bytes, reading, charsetOf(type))
  if (read !== null) headers.set('content-type', 'application/json')
  return new Response(read ?? bytes, { status, statusText, headers })
}

/**
 * Chunks are joined once an event has ended: a server may send a large one in very small pieces. Until then each byte is
 * one character, so that ends are found, and no character is cut that several bytes are.
 */
function eventByEvent(reading: Reading): TransformStream<Uint8Array, Uint8Array> {
  let chunks: string[] = []
  let overlap = ''
  return new TransformStream({
    async transform(chunk, controller) {
      const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      chunks.push(piece)
      const seen = overlap + piece
      overlap = seen.slice(-OVERLAP)
      if (!EVENT_END.test(seen)) return
      let rest = chunks.join('')
      for (let end = EVENT_END.exec(rest); end; end = EVENT_END.exec(rest)) {
        const event = bytesOf(rest.slice(0, end.index))
        const read = await readEvent(event, reading)
        controller.enqueue(read === null ? bytesOf(rest.slice(0, end.index + end[0].length)) : asEvent(read))
        rest = rest.slice(end.index + end[0].length)
      }
      chunks = [rest]
      overlap = rest.slice(-OVERLAP)
    },
    // A whole message is one, also where the server forgets to end its event.
    flush: async (controller) => {
      const rest = bytesOf(chunks.join(''))
      const read = await readEvent(rest, reading)
      controller.enqueue(read === null ? rest : asEvent(read))
    },
  })
}

const bytesOf = (piece: string): Uint8Array => Buffer.from(piece, 'latin1')
const asEvent = (lines: string): Uint8Array => Buffer.from(`${lines}\n\n`)

/** The lines of data of an event are one text. An event of another name is a message, too, if it is an answer. Null: it holds no message. */
async function readEvent(event: Uint8Array, reading: Reading): Promise<string | null> {
  const { text: decoded, isDamaged } = decodedText(event)
  const lines = decoded.split(/\r\n|\n|\r/)
  const isData = (line: string): boolean => line.startsWith('data:')
  const text = lines
    .filter(isData)
    .map((line) => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n')
  const read = text === '' ? null : await readText(text, reading, isDamaged ? NOT_UTF8 : null)
  if (read === null) return null
  const others = lines.filter((line) => !isData(line) && !line.startsWith('event:'))
  return [...others, `data: ${read}`].join('\n')
}
