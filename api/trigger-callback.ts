/**
 * The trigger callback, by which MCP servers send their events. Its contract is older than ours and kept to the byte:
 * its own error bodies, this order of checks (size, header, token, body), 202 whether or not anything matches. A server
 * that speaks it needs no change. The size is that which the sender declares: nothing of a body is read for whoever has
 * no token, and one that is sent in pieces is found too large after that.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { pathParts } from '../lib/path-text.ts'
import { IdempotencyKeySchema } from '../schemas/operations/operation.ts'
import { sha256Hex } from '../lib/canonical-json.ts'
import { CodedError, ERRORS } from '../schemas/errors.ts'
import { JsonObjectSchema } from '../schemas/common.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { BODY_LIMIT_BYTES, readBody, WHOLE_BODY } from './body.ts'
import { bodyText } from './body-text.ts'
import { PlacedError } from './errors.ts'
import { acceptEvent } from './deliveries.ts'
import type { ApiDeps } from './deps.ts'
import { findPrincipal } from './plugins/authentication.ts'
import { toCodedError } from './plugins/problems.ts'

interface Sender {
  organization: string
  connection: string
  keyId: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of an event. Null until its token is known. */
    sender: Sender | null
  }
}

const BodySchema = z.object({ type: z.string().min(1), data: JsonObjectSchema.default({}) })

const PREFIX = 'Bearer '
const CONNECTION_PREFIX = 'connection/'
const RETRY_AFTER_S = 5

export async function installTriggerCallback(app: FastifyInstance, deps: ApiDeps): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    // Whatever the content type says: the contract does not ask for one.
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.setErrorHandler(answerCallbackError)
    scope.decorateRequest('sender', null)
    const options = {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: { hide: true },
      onRequest: (request: FastifyRequest, reply: FastifyReply) => findOutSender(deps, request, reply),
    }
    const handler = (request: FastifyRequest, reply: FastifyReply) => handleCallback(deps, request, reply)
    scope.post('/api/trigger-callback', options, handler)
    scope.post('/api/:org/trigger-callback', options, handler)
  })
}

/** Answers whoever has no token before anything of the body is read. */
async function findOutSender(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT_BYTES) {
    return reply.code(413).send({ error: 'Payload too large' })
  }
  const header = request.headers.authorization
  if (!header?.startsWith(PREFIX)) {
    return reply.code(401).send({ error: 'Missing or invalid Authorization header' })
  }
  const { org } = request.params as { org?: string }
  const sender = await findSender(deps, header.slice(PREFIX.length), org)
  if (!sender) {
    deps.limits?.noteUnknown(request)
    return reply.code(401).send({ error: 'Invalid callback token' })
  }
  await deps.limits?.turnOfKey(sender.keyId)
  request.sender = sender
  return undefined
}

async function handleCallback(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { sender } = request
  if (!sender) return reply.code(401).send({ error: 'Invalid callback token' })
  const { value, inexact } = readBody(textOf(request))
  const parsed = BodySchema.safeParse(value)
  if (!parsed.success || inexact.length > 0) {
    const details = [...(parsed.error?.issues ?? []), ...inexact.map(issueOf)]
    return reply.code(400).send({ error: 'Invalid body', details })
  }
  const { type, data } = parsed.data
  const { organization, connection } = sender
  await acceptEvent(deps, {
    organization,
    connection,
    type,
    data,
    idempotencyKey: idempotencyKeyOf(request),
  })
  return reply.code(202).send({ ok: true, type })
}

/** The connection whose token it is; undefined for any other key, and for a token of another organization. */
async function findSender(
  deps: ApiDeps,
  token: string,
  organization: string | undefined,
): Promise<Sender | undefined> {
  const principal = await findPrincipal(deps.database, token)
  if (!principal?.scopes.includes('trigger') || !principal.id.startsWith(CONNECTION_PREFIX)) return undefined
  if (organization !== undefined && organization !== principal.organization) return undefined
  const { organization: of, id, keyId } = principal
  return { organization: of, connection: id.slice(CONNECTION_PREFIX.length), keyId }
}

function textOf({ body, headers }: FastifyRequest): string {
  if (Buffer.isBuffer(body) && body.length > 0) return bodyText(body, headers)
  throw new CodedError('INVALID_INPUT', 'The body is empty.')
}

/** In the form that the contract gives its details. */
function issueOf({ path, message, hint = '' }: ProblemPlace): object {
  return { code: 'custom', path: path === WHOLE_BODY ? [] : pathParts(path), message: `${message}. ${hint}` }
}

/** What a body is that cannot be read. */
function issuesOf(error: CodedError): object[] {
  const ofBody = { path: WHOLE_BODY, rule: 'schema', message: error.message } as const
  return error instanceof PlacedError ? error.places.map(issueOf) : [issueOf({ ...ofBody, hint: '' })]
}

/** The contract has no answer for a bad key, so one that cannot be kept as it is stands as its hash. */
function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string' || key === '') return undefined
  return IdempotencyKeySchema.safeParse(key).success ? key : `sha256:${sha256Hex(key)}`
}

function answerCallbackError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const coded = toCodedError(error)
  const { status, title } = ERRORS[coded.code]
  if (status === 400 || status === 415)
    return reply.code(status).send({ error: 'Invalid body', details: issuesOf(coded) })
  if (status === 413) return reply.code(413).send({ error: 'Payload too large' })
  if (status >= 500) request.log.error({ err: error }, 'a trigger callback could not be accepted')
  if (status === 503 || status === 429) void reply.header('retry-after', RETRY_AFTER_S)
  return reply.code(status).send({ error: title })
}
