/**
 * The one place where errors become answers: RFC 9457 problem bodies from the error table. What is not in the table is
 * ours to look into: it is logged whole, and the caller sees the request id and nothing else of it.
 */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CodedError, ERRORS, type ErrorCode } from '../../schemas/errors.ts'
import type { Problem } from '../../schemas/problem.ts'
import { databaseError } from '../database-errors.ts'
import { PlacedError } from '../errors.ts'
import { temporalError } from '../temporal.ts'

export const PROBLEM_TYPE = 'application/problem+json'

const DEFAULT_RETRY_AFTER_S = 5

declare module 'fastify' {
  interface FastifyInstance {
    /** Path patterns with the methods they have. */
    knownRoutes: Map<string, Set<string>>
  }
}

export function installProblems(app: FastifyInstance): void {
  const routes = new Map<string, Set<string>>()
  app.decorate('knownRoutes', routes)
  app.addHook('onRoute', ({ url, method }) => {
    const methods = routes.get(url) ?? new Set()
    routes.set(url, methods)
    for (const each of [method].flat()) methods.add(each)
  })
  app.setErrorHandler(answerError)
  // Before the body: nobody has to say who they are to be told that there is nothing.
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) await answerNotFound(request, reply)
  })
  app.setNotFoundHandler(answerNotFound)
}

function answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? ''
  const methods = methodsOf(request.server.knownRoutes, path)
  // With the method there, it is a parameter that no route takes: longer than any id of ours.
  if (methods.length === 0 || methods.includes(request.method)) {
    return sendProblem(request, reply, new CodedError('NOT_FOUND', `There is no ${request.method} ${path}.`))
  }
  void reply.header('allow', methods.join(', '))
  const detail = `${path} has no ${request.method}; it has ${methods.join(', ')}.`
  return sendProblem(request, reply, new CodedError('METHOD_NOT_ALLOWED', detail))
}

/** Of a path that some route has, with another method. */
function methodsOf(routes: ReadonlyMap<string, ReadonlySet<string>>, path: string): string[] {
  const found = [...routes]
    .filter(([url]) => patternOf(url).test(path))
    .flatMap(([, methods]) => [...methods])
  return [...new Set(found)].toSorted()
}

function patternOf(url: string): RegExp {
  const parts = url.split(/:[a-z_]+/i).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^/]+')}$`)
}

export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const coded = toCodedError(error)
  // What is wrong with a request to nowhere does not matter, such as the form of its body.
  if (request.is404 && ERRORS[coded.code].status < 500) return answerNotFound(request, reply)
  if (ERRORS[coded.code].status === 500) request.log.error({ err: error }, 'request failed')
  else if (ERRORS[coded.code].status > 500) request.log.warn({ err: error }, 'request could not be served')
  return sendProblem(request, reply, coded)
}

export function toCodedError(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  return temporalError(error) ?? databaseError(error) ?? requestError(error) ?? unexpected(error)
}

/** What Fastify itself refuses before a handler runs. */
function requestError(error: unknown): CodedError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, statusCode } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new CodedError('PAYLOAD_TOO_LARGE', 'The body is over 1 MB.')
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new CodedError('UNSUPPORTED_MEDIA_TYPE', 'The body is not application/json.')
  }
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return undefined
  return new CodedError('INVALID_INPUT', error.message, { cause: error })
}

function unexpected(cause: unknown): CodedError {
  return new CodedError('INTERNAL', 'The request could not be completed.', { cause })
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: CodedError): FastifyReply {
  const { status } = ERRORS[error.code]
  if (status === 503 || status === 429) void reply.header('retry-after', retryAfterSeconds(error))
  if (status === 401) void reply.header('www-authenticate', 'Bearer')
  // As text: Fastify's serializer for this status would need a schema for the type.
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(error, request.id)))
}

export function problemOf(error: CodedError, requestId: string): Problem {
  const { status, title, hint } = ERRORS[error.code]
  return {
    type: problemType(error.code),
    title,
    status,
    code: error.code,
    detail: error.message,
    hint,
    request_id: requestId,
    ...(error instanceof PlacedError ? { errors: [...error.places] } : {}),
  }
}

function problemType(code: ErrorCode): string {
  return `urn:countersign:problem:${code.toLowerCase().replaceAll('_', '-')}`
}

function retryAfterSeconds(error: CodedError): number {
  const { nextRetryDelayMs } = error
  return nextRetryDelayMs === undefined
    ? DEFAULT_RETRY_AFTER_S
    : Math.max(1, Math.ceil(nextRetryDelayMs / 1_000))
}
