/**
 * The one reader in front of the SDK, for both transports and all messages: the text of a server, made such that the SDK
 * can read it, with a note where it would change a number or a field.
 */
import { charsetOf, decodedText } from '../lib/charset.ts'
import { excessOf, partsOf } from '../lib/json-shape.ts'
import { MAX_ANSWER_PARTS } from '../lib/limits.ts'
import { cutBelow } from '../lib/nesting.ts'
import type { AnswerWork, Portion } from './answer-work.ts'
import { INEXACT, inexactNote, NOT_UTF8 } from './exact-answers.ts'
import type { ReadingTurn } from './reading-turn.ts'
import { isFields, isForUs, tolerantMessage, type Awaited } from './tolerant-messages.ts'

const EVENT_END = /(?:\r\n|\n|\r(?!\n)){2}/
/** Of what came before, so that an end is found that two chunks share. */
const OVERLAP = 3
/** Fewer are split at once. */
const MANY_LINES = 10_000
/** The SDK reads them at one stretch. */
const MAX_LIST = 1_000
const NEWLINE = 0x0a
const RETURN = 0x0d
const BYTE_ORDER_MARK = /^\uFEFF/
/** Deeper than anything that is kept: what calls itself, as JSON.stringify does, ends with the stack at a few thousand levels. */
const MAX_READ_DEPTH = 1_000

export interface Reading {
  awaited: Awaited
  /** Gives the error that is thrown. `most`: how much is taken, in words. */
  onTooLarge: (most: string) => Error
  turn: Pick<ReadingTurn, 'take'>
  /** What was read before of the same answer. */
  work: AnswerWork
}

/** A message that nobody of us waits for. */
const NOTHING = ''

/** As `readText`; `charset` is what the server calls its encoding. */
export async function readBytes(
  bytes: Uint8Array,
  reading: Reading,
  charset?: string,
): Promise<string | null> {
  spend({ messages: 1 }, reading)
  const { text, isDamaged } = decodedText(bytes, charset)
  return readText(text, reading, isDamaged ? NOT_UTF8 : null)
}

/**
 * The text of one message, or of a list of them. Null: it is no JSON; empty: it is nothing that we would look at. Whoever
 * parses, checks and writes it makes everybody else wait: a million names take seconds, and counting them none. So what
 * has too much in it is not parsed, and what has much only in its turn. `damage`: why it is not what the server has said.
 */
export async function readText(
  text: string,
  reading: Reading,
  damage: string | null = null,
): Promise<string | null> {
  const bare = text.replace(BYTE_ORDER_MARK, '')
  const parts = partsOf(bare, MAX_ANSWER_PARTS)
  if (parts > MAX_ANSWER_PARTS) throw reading.onTooLarge(`${MAX_ANSWER_PARTS} values and names`)
  spend({ parts }, reading)
  const isLarge = reading.work.isLarge({ parts, length: bare.length })
  return reading.turn.take(() => madeReadable(bare, reading, damage), { isLarge })
}

function spend(portion: Portion, { work, onTooLarge }: Reading): void {
  const most = work.excessWith(portion)
  if (most !== null) throw onTooLarge(most)
}

function madeReadable(bare: string, reading: Reading, damage: string | null): string | null {
  const parsed = parsedOf(bare)
  if (parsed === undefined) return null
  const messages: unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  if (messages.length > MAX_LIST) throw reading.onTooLarge(`${MAX_LIST} messages in a list`)
  const { awaited, work } = reading
  const known = messages.filter((message) => isForUs(message, (method) => work.mayAsk(method)))
  if (known.length === 0) return NOTHING
  try {
    const isDeep = excessOf(bare, { depth: MAX_READ_DEPTH, parts: Number.POSITIVE_INFINITY }) !== null
    // Whoever is given it finds that it is too deep, and need not know by how much.
    if (isDeep) cutBelow(parsed, MAX_READ_DEPTH)
    const note = damage ?? (isDeep ? null : inexactNote(bare))
    const read = (message: unknown): unknown => noted(tolerantMessage(message, awaited), note)
    return JSON.stringify(Array.isArray(parsed) ? known.map(read) : read(parsed))
  } catch {
    return null
  }
}

function parsedOf(bare: string): unknown {
  try {
    return JSON.parse(bare)
  } catch {
    return undefined
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
  return new Response(read === NOTHING ? '[]' : (read ?? bytes), { status, statusText, headers })
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
      spend({ lines: linesIn(chunk) }, reading)
      const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      chunks.push(piece)
      const seen = overlap + piece
      overlap = seen.slice(-OVERLAP)
      if (!EVENT_END.test(seen)) return
      let rest = chunks.join('')
      for (let end = EVENT_END.exec(rest); end; end = EVENT_END.exec(rest)) {
        const event = bytesOf(rest.slice(0, end.index))
        controller.enqueue(asEvent(await readEvent(event, reading)))
        rest = rest.slice(end.index + end[0].length)
      }
      chunks = [rest]
      overlap = rest.slice(-OVERLAP)
    },
    // A whole message is one, also where the server forgets to end its event.
    flush: async (controller) => {
      const rest = await readEvent(bytesOf(chunks.join('')), reading)
      // Of an event that was cut off nothing counts, nor its id: the stream is resumed before it.
      if (rest.read) controller.enqueue(asEvent(rest))
    },
  })
}

const bytesOf = (piece: string): Uint8Array => Buffer.from(piece, 'latin1')
const asEvent = ({ others, read }: Event): Uint8Array =>
  Buffer.from([...others, ...(read === null ? [] : [`data: ${read}`]), '', ''].join('\n'))

interface Event {
  /** Its lines beside data and name. */
  others: string[]
  /** Empty: no message is in its data. Null: it has none. */
  read: string | null
}

/** The lines of data of an event are one text. An event of another name is a message, too, if it is an answer. */
async function readEvent(event: Uint8Array, reading: Reading): Promise<Event> {
  spend({ messages: 1 }, reading)
  const { data, others, damage } = await reading.turn.take(() => partsOfEvent(event), {
    isLarge: linesIn(event) > MANY_LINES,
  })
  if (data === null) return { others, read: null }
  return { others, read: data === '' ? NOTHING : ((await readText(data, reading, damage)) ?? NOTHING) }
}

/** About, and before anybody makes them. */
function linesIn(event: Uint8Array): number {
  let lines = 0
  for (let at = 0; at < event.length; at++) if (event[at] === NEWLINE || event[at] === RETURN) lines++
  return lines
}

function partsOfEvent(event: Uint8Array): { data: string | null; others: string[]; damage: string | null } {
  const { text, isDamaged } = decodedText(event)
  const lines = text.split(/\r\n|\n|\r/)
  const isData = (line: string): boolean => line.startsWith('data:')
  const data = lines.filter(isData).map((line) => line.slice('data:'.length).replace(/^ /, ''))
  const others = lines.filter((line) => !isData(line) && !line.startsWith('event:'))
  return { data: data.length === 0 ? null : data.join('\n'), others, damage: isDamaged ? NOT_UTF8 : null }
}
