/**
 * How bodies are read: bounded in size by the server, and here in depth, so that no value can exhaust the stack, and in
 * the number of values, for whatever looks at each of them keeps all other requests waiting.
 *
 * What is wrong with a request is told at once: what of its JSON cannot be kept, what does not fit the form of the
 * operation, and what the operation itself would say of the rest.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { inexactPlaces } from '../lib/exact-json.ts'
import type { JsonValue } from '../lib/json.ts'
import { excessOf } from '../lib/json-shape.ts'
import { LIMITS } from '../lib/limits.ts'
import { CodedError } from '../schemas/errors.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { bodyText } from './body-text.ts'
import { PlacedError } from './errors.ts'

export const BODY_LIMIT_BYTES = LIMITS.bodyBytes

/** The place of what is wrong with a body as a whole. */
export const WHOLE_BODY = '(body)'
/** Deeper than any honest document; all that walks a value recursively stays far from the end of the stack. */
const MAX_DEPTH = 100

declare module 'fastify' {
  interface FastifyRequest {
    /** What of its body cannot be kept; null if there is no such thing. */
    inexact: readonly ProblemPlace[] | null
  }
  interface FastifyContextConfig {
    /** What else is wrong with a request that is refused for its form. */
    moreFaults?: (request: FastifyRequest) => Promise<readonly ProblemPlace[]>
  }
}

export interface ReadBody {
  value: JsonValue
  /** What of the text is not in the value: a number that is another one then, a field that stands twice. */
  inexact: ProblemPlace[]
}

export function installJsonBodies(app: FastifyInstance): void {
  app.decorateRequest('inexact', null)
  app.removeAllContentTypeParsers()
  const options = { parseAs: 'buffer' } as const
  app.addContentTypeParser<Buffer>(
    'application/json',
    options,
    async (request: FastifyRequest, bytes: Buffer) => {
      if (bytes.length === 0) return undefined
      const { value, inexact } = readBody(bodyText(bytes, request.headers))
      if (inexact.length > 0) request.inexact = inexact
      return value
    },
  )
  app.addHook('preHandler', refuseFaults)
}

/** Throws INVALID_INPUT for what is no JSON, or more than we take. */
export function readBody(text: string): ReadBody {
  const excess = excessPlace(text)
  if (excess) throw new PlacedError('INVALID_INPUT', [excess])
  try {
    const value = JSON.parse(text) as JsonValue
    const inexact = inexactPlaces(text)
    // Checks go on with the largest number there is, and not with one that is no JSON.
    return { value: inexact.length > 0 ? (JSON.parse(text, finite) as JsonValue) : value, inexact }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CodedError('INVALID_INPUT', `The body is not JSON: ${reason}`, { cause: error })
  }
}

function finite(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? Math.sign(value) * Number.MAX_VALUE : value
}

/** The place that is too much in a JSON text, before it is parsed; it need not be valid. */
function excessPlace(text: string): ProblemPlace | null {
  const excess = excessOf(text, { depth: MAX_DEPTH, parts: LIMITS.valueParts })
  if (excess === null) return null
  const message =
    excess === 'depth' ? `is nested over ${MAX_DEPTH} deep` : `has over ${LIMITS.valueParts} values and names`
  return { path: WHOLE_BODY, rule: 'limit', message, hint: 'Send less at once, or pass a reference.' }
}

/** No value changes silently: neither by rounding, nor because a name stands twice. */
async function refuseFaults(request: FastifyRequest): Promise<void> {
  const { validationError, inexact, routeOptions } = request
  if (validationError && !(validationError instanceof PlacedError)) throw validationError
  const places = [...(validationError?.places ?? []), ...(inexact ?? [])]
  if (places.length === 0) return
  const told = new Set(places.map(({ path }) => path))
  const more = (await routeOptions.config.moreFaults?.(request)) ?? []
  throw new PlacedError('INVALID_INPUT', [...places, ...more.filter(({ path }) => !told.has(path))])
}
