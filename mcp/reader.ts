/**
 * The one reader in front of the SDK, for both transports and all messages: the text of a server, made such that the SDK
 * can read it, with a note where it would change a number or a field.
 */
import { excessOf } from '../lib/json-shape.ts'
import { MAX_ANSWER_PARTS } from '../lib/limits.ts'
import { INEXACT, inexactNote } from './exact-answers.ts'
import { isFields, tolerantMessage, type Awaited } from './tolerant-messages.ts'

const EVENT_END = /(?:\r\n|\n|\r(?!\n)){2}/
/** Of what came before, so that an end is found that two chunks share. */
const OVERLAP = 3
const BYTE_ORDER_MARK = /^\uFEFF/

export interface Reading {
  awaited: Awaited
  /** Gives the error that is thrown. `most`: how much is taken, in words. */
  onTooLarge: (most: string) => Error
}

/** The text of one message, or of a list of them. Null: it is no JSON. What has too much in it is not parsed. */
export function readText(text: string, { awaited, onTooLarge }: Reading): string | null {
  const bare = text.replace(BYTE_ORDER_MARK, '')
  // Whoever parses, checks and writes it makes everybody else wait: a million names take seconds, and counting none.
  if (excessOf(bare, { depth: Number.POSITIVE_INFINITY, parts: MAX_ANSWER_PARTS }) !== null)
    throw onTooLarge(`${MAX_ANSWER_PARTS} values and names`)
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
  const read = readText(text, reading)
  if (read !== null) headers.set('content-type', 'application/json')
  return new Response(read ?? text, { status, statusText, headers })
}

/** Chunks are joined once an event has ended: a server may send a large one in very small pieces. */
function eventByEvent(reading: Reading): TransformStream<string, string> {
  let chunks: string[] = []
  let overlap = ''
  return new TransformStream({
    transform(chunk, controller) {
      chunks.push(chunk)
      const seen = overlap + chunk
      overlap = seen.slice(-OVERLAP)
      if (!EVENT_END.test(seen)) return
      let rest = chunks.join('')
      for (let end = EVENT_END.exec(rest); end; end = EVENT_END.exec(rest)) {
        const event = rest.slice(0, end.index)
        controller.enqueue((readEvent(event, reading) ?? event) + end[0])
        rest = rest.slice(end.index + end[0].length)
      }
      chunks = [rest]
      overlap = rest.slice(-OVERLAP)
    },
    // A whole message is one, also where the server forgets to end its event.
    flush: (controller) => {
      const rest = chunks.join('')
      const read = readEvent(rest, reading)
      controller.enqueue(read === null ? rest : `${read}\n\n`)
    },
  })
}

/** The lines of data of an event are one text. An event of another name is a message, too, if it is an answer. Null: it holds no message. */
function readEvent(event: string, reading: Reading): string | null {
  const lines = event.split(/\r\n|\n|\r/)
  const isData = (line: string): boolean => line.startsWith('data:')
  const text = lines
    .filter(isData)
    .map((line) => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n')
  const read = text === '' ? null : readText(text, reading)
  if (read === null) return null
  const others = lines.filter((line) => !isData(line) && !line.startsWith('event:'))
  return [...others, `data: ${read}`].join('\n')
}
