/**
 * The codec endpoint of the Temporal UI and CLI, by Temporal's own protocol: payloads in, payloads out. A key with the
 * scope `read` shows the values of its organization; a request that names another one's is refused as a whole.
 *
 * The Temporal UI of a development server sends no header of ours. For it, a token may open the same under a path, for
 * all organizations: docs/decisions/0010.
 */
import { timingSafeEqual } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { z } from 'zod'
import type { Payloads } from '../codec/payloads.ts'
import { sha256Hex } from '../lib/canonical-json.ts'
import { createSeats } from '../lib/fair-seats.ts'
import { LIMITS } from '../lib/limits.ts'
import { CodedError } from '../schemas/errors.ts'
import type { ApiDeps } from './deps.ts'
import { placesOf } from '../lib/zod-places.ts'
import { sentenceOf } from '../lib/zod-sentences.ts'
import { PlacedError } from './errors.ts'
import { principalOf, requireScope } from './plugins/authentication.ts'

/** A page of a history with values that were not large enough to be put aside, and base64 on top. */
const BODY_LIMIT_BYTES = 8 * 1024 * 1024
/** What one answer may hold, in base64: all that a run keeps. A caller could name a value of 4 MB a thousand times. */
const MAX_ANSWER_LENGTH = (LIMITS.runValuesBytes * 4) / 3
const MAX_PAYLOADS = 1_000
/** Temporal's own are two or three. */
const MAX_METADATA = 10
const PREFLIGHT_MAX_AGE_S = 600

const Base64Schema = z.base64()
/** Counted first: to look at the form of each takes longer. */
const MetadataSchema = z
  .unknown()
  .refine(isShort, `has over ${MAX_METADATA} entries`)
  .pipe(z.record(z.string(), Base64Schema))

const BodySchema = z.object({
  payloads: z
    .array(
      z.object({
        metadata: MetadataSchema.default({}),
        data: Base64Schema.default(''),
      }),
    )
    .max(MAX_PAYLOADS),
})

type WirePayload = z.output<typeof BodySchema>['payloads'][number]

/** Whose values the caller may see, and to whom those belong that he makes. */
interface Caller {
  organization: string
  seesAll: boolean
}

type Direction = 'encode' | 'decode'

/** One request of an organization at a time: each holds its whole answer in memory. Whoever has the open token is one owner. */
const seats = createSeats({ total: 4, perOwner: 1 })

export async function installCodec(app: FastifyInstance, deps: ApiDeps): Promise<void> {
  await app.register(async (scope) => {
    const allowed = originsOf(deps.temporal.uiUrl)
    scope.addHook('onRequest', async (request, reply) => allowOrigin(allowed, request, reply))
    for (const direction of ['decode', 'encode'] as const) {
      installDirection(scope, deps, direction)
      if (deps.codecToken !== undefined) installOpen(scope, deps, { direction, token: deps.codecToken })
    }
  })
}

function installDirection(scope: FastifyInstance, deps: ApiDeps, direction: Direction): void {
  const path = `/codec/${direction}`
  const options = { bodyLimit: BODY_LIMIT_BYTES, schema: { hide: true } }
  scope.options(path, options, answerPreflight)
  scope.post(path, { ...options, onRequest: requireScope(deps, 'read') }, (request) => {
    const { organization } = principalOf(request)
    return answer(deps.payloads, direction, { organization, seesAll: false }, request.body)
  })
}

function installOpen(
  scope: FastifyInstance,
  deps: ApiDeps,
  { direction, token }: { direction: Direction; token: string },
): void {
  const path = `/codec/open/:token/${direction}`
  // The address holds the token, and requests are logged with their address.
  const options: RouteShorthandOptions = {
    bodyLimit: BODY_LIMIT_BYTES,
    schema: { hide: true },
    logLevel: 'silent',
  }
  const onRequest = async (request: FastifyRequest) => {
    const { token: given } = request.params as { token: string }
    if (!isSame(given, token)) throw new CodedError('UNAUTHENTICATED', 'The token in the path is not valid.')
  }
  scope.options(path, options, answerPreflight)
  scope.post(path, { ...options, onRequest }, (request) =>
    answer(deps.payloads, direction, { organization: '', seesAll: true }, request.body),
  )
}

async function answer(
  payloads: Payloads,
  direction: Direction,
  caller: Caller,
  body: unknown,
): Promise<{ payloads: WirePayload[] }> {
  const parsed = BodySchema.safeParse(body, { error: sentenceOf })
  if (!parsed.success) throw new PlacedError('INVALID_INPUT', placesOf('', parsed.error.issues))
  const giveBack = await seats.take(caller.organization)
  try {
    return {
      payloads: await transformAll(parsed.data.payloads, (wire) =>
        transform(payloads, direction, caller, wire),
      ),
    }
  } finally {
    giveBack()
  }
}

/** One after the other, with a turn for other requests after each. A payload that stands there again is not made again. */
async function transformAll(
  wires: readonly WirePayload[],
  make: (wire: WirePayload) => Promise<WirePayload>,
): Promise<WirePayload[]> {
  const made: WirePayload[] = []
  const known = new Map<string, WirePayload>()
  let totalLength = 0
  for (const wire of wires) {
    const name = JSON.stringify(wire)
    const payload = known.get(name) ?? (await make(wire))
    known.set(name, payload)
    totalLength += payload.data.length
    if (totalLength > MAX_ANSWER_LENGTH)
      throw new CodedError('PAYLOAD_TOO_LARGE', 'The values are over 16 MB together: ask for fewer at once.')
    made.push(payload)
    await setImmediate()
  }
  return made
}

async function transform(
  payloads: Payloads,
  direction: Direction,
  { organization, seesAll }: Caller,
  { metadata, data }: WirePayload,
): Promise<WirePayload> {
  const payload = { metadata: mapValues(metadata, fromBase64), data: fromBase64(data) }
  const result =
    direction === 'encode'
      ? await payloads.encode(payload, organization)
      : await payloads.decode(payload, (owner) => seesAll || owner === organization)
  return { metadata: mapValues(result.metadata ?? {}, toBase64), data: toBase64(result.data) }
}

function isShort(metadata: unknown): boolean {
  return Object.keys(metadata ?? {}).length <= MAX_METADATA
}

/** Browsers ask first, without any key. */
async function answerPreflight(_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return reply
    .header('access-control-allow-methods', 'POST')
    .header('access-control-allow-headers', 'content-type, authorization, authorization-extras, x-namespace')
    .header('access-control-max-age', PREFLIGHT_MAX_AGE_S)
    .code(204)
    .send()
}

/** Also on refusals, so that the UI can show why. */
function allowOrigin(allowed: readonly string[], request: FastifyRequest, reply: FastifyReply): void {
  const { origin } = request.headers
  void reply.header('vary', 'origin')
  if (origin === undefined || !allowed.includes(origin)) return
  void reply.header('access-control-allow-origin', origin).header('access-control-allow-credentials', 'true')
}

/** A loopback address has two names, and people use either. */
function originsOf(uiUrl: string | undefined): string[] {
  if (uiUrl === undefined || !URL.canParse(uiUrl)) return []
  const { protocol, hostname, host, port } = new URL(uiUrl)
  const names = hostname === '127.0.0.1' || hostname === 'localhost' ? ['127.0.0.1', 'localhost'] : undefined
  const hosts = names?.map((name) => (port === '' ? name : `${name}:${port}`)) ?? [host]
  return hosts.map((name) => `${protocol}//${name}`)
}

/** By their hashes, so that the time it takes says nothing of the token. */
function isSame(given: string, token: string): boolean {
  return timingSafeEqual(Buffer.from(sha256Hex(given)), Buffer.from(sha256Hex(token)))
}

function mapValues<In, Out>(values: Record<string, In>, map: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}

function toBase64(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') : ''
}
