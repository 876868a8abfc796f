/**
 * The form of an operation: what can be asked of Countersign, said once. The API attaches handlers and renders
 * routes from it; the client and the CLI take their types from it. No I/O, no handlers.
 */
import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'

/** What an API key may do through operations. `trigger` is apart: such a key opens the trigger callback only. */
export const ScopeSchema = z.enum(['read', 'start', 'approve', 'admin'])
export type Scope = z.infer<typeof ScopeSchema>

export interface Operation {
  name: string
  method: 'GET' | 'POST' | 'DELETE'
  /** With `:parameters`, named as in `params`. */
  path: string
  /** What the caller's key must be allowed to do. */
  scope: Scope
  summary: string
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodObject
  output: z.ZodType
  /** Of a success; 200 unless told. */
  status?: 200 | 201 | 202
  /** A second way to succeed, which the handler chooses. */
  alternative?: { status: 202; description: string }
  /** What it may refuse besides what every operation may: see `errorsOf`. */
  errors: readonly ErrorCode[]
  /** What the header `Idempotency-Key` does here. Without it, it is not looked at. */
  idempotencyKey?: string
  /** `idempotent`: the same request, with the Idempotency-Key it takes, may be sent again without a second effect. */
  hints: { readOnly: boolean; idempotent: boolean }
}

/** Keeps the literal type of the operation, which the types below read. */
export function defineOperation<const Op extends Operation>(operation: Op): Op {
  return operation
}

const EVERY_OPERATION = [
  'INVALID_INPUT',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RATE_LIMITED',
  'INTERNAL',
  'UNAVAILABLE',
] as const satisfies readonly ErrorCode[]

/** Of a method that has a body: it is read before anybody asks whether the operation wants one. */
const EVERY_BODY = ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const satisfies readonly ErrorCode[]

/** Every code that an operation can answer with. No other is documented, and a test watches that none is sent. */
export function errorsOf(operation: Operation): ErrorCode[] {
  const ofBody = operation.method === 'GET' ? [] : EVERY_BODY
  return [...new Set<ErrorCode>([...EVERY_OPERATION, ...ofBody, ...operation.errors])]
}

type PartName = 'params' | 'query' | 'body'

/** Empty for a part that the operation does not have. */
type InputOf<Op extends Operation, Name extends PartName> = Op[Name] extends z.ZodObject
  ? z.input<Op[Name]>
  : unknown

type OutputOf<Op extends Operation, Name extends PartName> = Op[Name] extends z.ZodObject
  ? z.output<Op[Name]>
  : Record<never, never>

/** What a caller gives: parameters, query and body side by side, for their names never clash. */
export type OperationInput<Op extends Operation> = InputOf<Op, 'params'> &
  InputOf<Op, 'query'> &
  InputOf<Op, 'body'>

export type OperationOutput<Op extends Operation> = z.output<Op['output']>

/** What a handler sees, after validation. */
export interface OperationParts<Op extends Operation> {
  params: OutputOf<Op, 'params'>
  query: OutputOf<Op, 'query'>
  body: OutputOf<Op, 'body'>
}

/** Visible ASCII: it is sent in a header and kept as text. */
export const IdempotencyKeySchema = z
  .string()
  .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible ASCII characters')

export const TimestampSchema = z.iso.datetime()

/** Of a list that grows with use. A cursor belongs to the list and the filters that gave it. */
export const PageQuerySchema = z.strictObject({
  limit: z.coerce.number<number>().int().min(1).max(100).default(20),
  cursor: z.string().min(1).max(1_000).optional(),
})

/** Of a list that grows with configuration only, or with the steps of one run: mostly one page. */
export const LongPageQuerySchema = PageQuerySchema.extend({
  limit: z.coerce.number<number>().int().min(1).max(500).default(100),
})

const EARLIEST_MS = Date.UTC(1970, 0)
const LATEST_MS = Date.UTC(3000, 0)

/** In UTC, and moved to where databases have times: nothing of ours is older or younger. */
const MomentSchema = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(Math.min(Math.max(Date.parse(text), EARLIEST_MS), LATEST_MS)).toISOString())

/** From `since` on, and before `until`. */
export const SpanQuerySchema = PageQuerySchema.extend({
  since: MomentSchema.optional(),
  until: MomentSchema.optional(),
})

/** `true` or `false` in a query string. */
export const FlagSchema = z.enum(['true', 'false'])

/** A page of a list. `next_cursor` is null on the last page. One with large values ends early: it may have fewer than `limit`. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() })
}
