/** How bodies are read: bounded in size by the server and in depth here, so that no value can exhaust the stack. */
import type { FastifyInstance } from 'fastify'
import { inexactPlaces } from '../lib/exact-json.ts'
import { LIMITS } from '../lib/limits.ts'
import { CodedError } from '../schemas/errors.ts'
import { PlacedError } from './errors.ts'

export const BODY_LIMIT_BYTES = LIMITS.bodyBytes

/** Deeper than any honest document; all that walks a value recursively stays far from the end of the stack. */
const MAX_DEPTH = 100

export function installJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined)
    if (isTooDeep(body)) return done(new CodedError('INVALID_INPUT', 'The body is nested too deeply.'))
    return parse(request, body, (error, value) => done(error ?? inexact(body), value))
  })
}

/** No value changes silently: neither by rounding, nor because a name stands twice. */
function inexact(body: string): PlacedError | null {
  const places = inexactPlaces(body)
  return places.length === 0 ? null : new PlacedError('INVALID_INPUT', places)
}

/** Whether lists and objects of a JSON text are nested over the bound. Reads the text once; it need not be valid. */
export function isTooDeep(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === '"') i = endOfText(text, i)
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    if (depth > MAX_DEPTH) return true
  }
  return false
}

/** Position of the quote that ends the text begun at `start`, or of the end. */
function endOfText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i
  }
  return text.length
}
