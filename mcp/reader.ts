/**
 * The one reader in front of the SDK, for both transports and all messages: the text of a server, made such that the SDK
 * can read it, with a note where it would change a number or a field.
 */
import { excessOf } from '../lib/json-shape.ts'
import { MAX_ANSWER_PARTS } from '../lib/limits.ts'
import { INEXACT, inexactNote } from './exact-answers.ts'
import type { ReadingTurn } from './reading-turn.ts'
import { isFields, tolerantMessage, type Awaited } from './tolerant-messages.ts'

const EVENT_END = /(?:\r\n|\n|\r(?!\n)){2}/
/** Of what came before, so that an end is found that two chunks share. */
const OVERLAP = 3
/** Less than either costs about 30 ms of the thread, until it is kept. */
const LARGE_PARTS = 10_000
const LARGE_LENGTH = 512 * 1024
const BYTE_ORDER_MARK = /^\uFEFF/

export interface Reading {
  awaited: Awaited
  /** Gives the error that is thrown. `most`: how much is taken, in words. */
  onTooLarge: (most: string) => Error
  /** For what is large. */
  turn: Pick<ReadingTurn, 'take'>
}

/**
 * The text of one message, or of a list of them. Null: it is no JSON. Whoever parses, checks and writes it makes everybody
 * else wait: a million names take seconds, and counting them none. So what has too much in it is not parsed, and what has
 * much only in its turn.
 */
export async function readText(text: string, { awaited, onTooLarge, turn }: Reading): Promise<string | null> {
  const bare = text.replace(BYTE_ORDER_MARK, '')
  if (hasOver(MAX_ANSWER_PARTS, bare)) throw onTooLarge(`${MAX_ANSWER_PARTS} values and names`)
  const isLarge = bare.length > LARGE_LENGTH || hasOver(LARGE_PARTS, bare)
  return isLarge ? turn.take(() => madeReadable(bare, awaited)) : madeReadable(bare, awaited)
}

function hasOver(parts: number, text: string): boolean {
  return excessOf(text, { depth: Number.POSITIVE_INFINITY, parts }) !== null
}

function madeReadable(bare: string, awaited: Awaited): string | null {
  try {
    const parsed: unknown = JSON.parse(bare)
    const note = inexactNote(bare)
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
    const events = body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(eventByEvent(reading))
      .pipeThrough(new TextEncoderStream())
    return new Response(events, { status, statusText, headers })
  }
  const text = await response.text()
  const read = await readText(text, reading)
  if (read !== null) headers.set('content-type', 'application/json')
  return new Response(read ?? text, { status, statusText, headers })
}

/** Chunks are joined once an event has ended: a server may send a large one in very small pieces. */
function eventByEvent(reading: Reading): TransformStream<string, string> {
  let chunks: string[] = []
  let overlap = ''
  return new TransformStream({
    async transform(chunk, controller) {
      chunks.push(chunk)
      const seen = overlap + chunk
      overlap = seen.slice(-OVERLAP)
      if (!EVENT_END.test(seen)) return
      let rest = chunks.join('')
      for (let end = EVENT_END.exec(rest); end; end = EVENT_END.exec(rest)) {
        const event = rest.slice(0, end.index)
        controller.enqueue(((await readEvent(event, reading)) ?? event) + end[0])
        rest = rest.slice(end.index + end[0].length)
      }
      chunks = [rest]
      overlap = rest.slice(-OVERLAP)
    },
    // A whole message is one, also where the server forgets to end its event.
    flush: async (controller) => {
      const rest = chunks.join('')
      const read = await readEvent(rest, reading)
      controller.enqueue(read === null ? rest : `${read}\n\n`)
    },
  })
}

/** The lines of data of an event are one text. An event of another name is a message, too, if it is an answer. Null: it holds no message. */
async function readEvent(event: string, reading: Reading): Promise<string | null> {
  const lines = event.split(/\r\n|\n|\r/)
  const isData = (line: string): boolean => line.startsWith('data:')
  const text = lines
    .filter(isData)
    .map((line) => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n')
  const read = text === '' ? null : await readText(text, reading)
  if (read === null) return null
  const others = lines.filter((line) => !isData(line) && !line.startsWith('event:'))
  return [...others, `data: ${read}`].join('\n')
}
