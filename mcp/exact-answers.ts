/**
 * Answers of servers whose numbers, or fields, the SDK would change while it reads them. Their texts are looked at before
 * it does, and such a result gets a note, so that nobody takes it for what the server has said.
 */
import { inexactPlaces } from '../lib/exact-json.ts'

/** Field of a result: what of it cannot be kept. A server that sets it itself only loses its own answer. */
export const INEXACT = 'countersign/inexact'

/** What of a message we keep; a listing may name bounds of 64 bits in its schemas. */
const KEPT = /^(?:\[\d+\]\.)?result(?:$|\.(?:structuredContent|content|isError)\b)/
const EVENT_END = /(?:\r\n|\n|\r(?!\n)){2}/
/** Of what came before, so that an end is found that two chunks share. */
const OVERLAP = 3
const MAX_TOLD = 3

/** The text of one message, or of a list of them, with the note where it is due. What is no JSON stays as it is. */
export function withNote(text: string): string {
  try {
    const places = inexactPlaces(text).filter(({ path }) => KEPT.test(path))
    if (places.length === 0) return text
    const note = places.slice(0, MAX_TOLD).map(({ path, message }) => `${path} ${message}`)
    const parsed = JSON.parse(text) as object
    for (const message of [parsed].flat() as { result?: object }[])
      if (message.result) message.result = { ...message.result, [INEXACT]: note.join('; ') }
    return JSON.stringify(parsed)
  } catch {
    return text
  }
}

/** The same response, whose body is handed on event by event, or in one piece if it is one message. */
export function withNotes(response: Response): Response {
  const { body, status, statusText, headers } = response
  if (!body) return response
  const isStream = headers.get('content-type')?.includes('text/event-stream') === true
  const rewritten = body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(isStream ? eventByEvent() : inOnePiece())
    .pipeThrough(new TextEncoderStream())
  return new Response(rewritten, { status, statusText, headers })
}

function inOnePiece(): TransformStream<string, string> {
  const chunks: string[] = []
  return new TransformStream({
    transform: (chunk) => void chunks.push(chunk),
    flush: (controller) => controller.enqueue(withNote(chunks.join(''))),
  })
}

/** Chunks are joined once an event has ended: a server may send a large one in very small pieces. */
function eventByEvent(): TransformStream<string, string> {
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
        controller.enqueue(eventWithNote(rest.slice(0, end.index)) + end[0])
        rest = rest.slice(end.index + end[0].length)
      }
      chunks = [rest]
      overlap = rest.slice(-OVERLAP)
    },
    flush: (controller) => controller.enqueue(eventWithNote(chunks.join(''))),
  })
}

/** The lines of data of an event are one text. */
function eventWithNote(event: string): string {
  const lines = event.split(/\r\n|\n|\r/)
  const isData = (line: string): boolean => line.startsWith('data:')
  const text = lines
    .filter(isData)
    .map((line) => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n')
  const noted = withNote(text)
  return noted === text ? event : [...lines.filter((line) => !isData(line)), `data: ${noted}`].join('\n')
}
