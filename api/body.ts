/**
 * How bodies are read: bounded in size by the server, and here in depth, so that no value can exhaust the stack, and in
 * the number of values, for whatever looks at each of them keeps all other requests waiting.
 */
import type { FastifyInstance } from 'fastify'
import { inexactPlaces } from '../lib/exact-json.ts'
import { excessOf } from '../lib/json-shape.ts'
import { LIMITS } from '../lib/limits.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { PlacedError } from './errors.ts'

export const BODY_LIMIT_BYTES = LIMITS.bodyBytes

/** Deeper than any honest document; all that walks a value recursively stays far from the end of the stack. */
const MAX_DEPTH = 100

export function installJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined)
    const excess = excessPlace(body)
    if (excess) return done(new PlacedError('INVALID_INPUT', [excess]))
    return parse(request, body, (error, value) => done(error ?? inexact(body), value))
  })
}

/** No value changes silently: neither by rounding, nor because a name stands twice. */
function inexact(body: string): PlacedError | null {
  const places = inexactPlaces(body)
  return places.length === 0 ? null : new PlacedError('INVALID_INPUT', places)
}

/** The place that is too much in a JSON text, before it is parsed; it need not be valid. */
export function excessPlace(text: string): ProblemPlace | null {
  const excess = excessOf(text, { depth: MAX_DEPTH, parts: LIMITS.valueParts })
  if (excess === null) return null
  const message =
    excess === 'depth' ? `is nested over ${MAX_DEPTH} deep` : `has over ${LIMITS.valueParts} values and names`
  return { path: '(body)', rule: 'limit', message, hint: 'Send less at once, or pass a reference.' }
}
