import { z } from 'zod'
import { isJson, type JsonObject, type JsonValue } from '../lib/json.ts'
import { LIMITS, MAX_SLEEP_MS, utf8Bytes } from '../lib/limits.ts'

/** Names of people's own making: organizations, connections, automations, steps. Safe in ids, URLs and expressions. */
export const NameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,62}$/,
    'must be lower case, start with a letter, and have at most 63 of a-z 0-9 _ -',
  )

/** Step names are also names in expressions (`steps.invoice.output`), where a dash would mean minus. */
export const StepNameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,62}$/,
    'must be lower case, start with a letter, and have at most 63 of a-z 0-9 _',
  )
  .refine((name) => name !== 'constructor', 'cannot be read by expressions; choose another name')

export const RoleSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_:.-]{0,62}$/, 'must be lower case with at most 63 characters')

const PRINCIPAL_ID = /^[a-z0-9][a-z0-9@._/+-]{0,126}$/

/**
 * `alice@example.org`, `connection/billing`: who acts, as the organization knows them. In one spelling only, for ids are
 * compared as they are, and who asks for a write must not be somebody else than who approves it.
 */
export const PrincipalIdSchema = z.string().regex(PRINCIPAL_ID, {
  error: ({ input }) => {
    const spelled = plainSpelling(String(input))
    const hint = PRINCIPAL_ID.test(spelled) ? `: write ${spelled}` : ''
    return `must be a plain id or address in lower case${hint}`
  },
})

/** What somebody means who writes it with capitals, wide letters, blanks, or marks that cannot be seen. */
function plainSpelling(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[\p{C}\p{Z}]/gu, '')
    .toLowerCase()
}

const DURATION = /^(\d+)(ms|s|m|h|d)$/
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `30s`, `5m`, `24h`, `7d`; what waits longer than a year waits for nothing. */
export const DurationSchema = z
  .string()
  .regex(DURATION, 'must be a number with a unit: 500ms, 30s, 5m, 24h, 7d')
  .refine((text) => durationMs(text) <= MAX_SLEEP_MS, 'is over 366 days')

/** For whatever nobody could keep in no time. */
export const TimeoutSchema = DurationSchema.refine((text) => durationMs(text) !== 0, 'must be at least 1ms')

/** Milliseconds of a text that `DurationSchema` has accepted. */
export function durationMs(text: string): number {
  const [, amount = '0', unit = 'ms'] = DURATION.exec(text) ?? []
  return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

/**
 * Any JSON value. The library's own form tries a union on each value inside, and makes all of them anew: 14 µs for an
 * empty list, for which a look takes a thousandth.
 */
export const JsonSchema = z.unknown().superRefine((value, { addIssue }) => {
  // Final, so that of a union the form that is meant is found.
  const told = { expected: 'unknown', continue: false } as const
  if (value === undefined)
    addIssue({ ...told, code: 'invalid_type', message: 'Invalid input: received undefined' })
  else if (!isJson(value)) addIssue({ ...told, code: 'custom', message: 'must be a JSON value' })
}) as z.ZodType<JsonValue, JsonValue>

/** The library's own form of it leaves out a field that is named `__proto__`. */
export const JsonObjectSchema = z
  .unknown()
  .superRefine((value, { addIssue }) => {
    const told = { expected: 'record', continue: false } as const
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject) addIssue({ ...told, code: 'invalid_type' })
    else if (!isJson(value)) addIssue({ ...told, code: 'custom', message: 'must be a JSON value' })
  })
  .meta({
    type: 'object',
    propertyNames: { type: 'string' },
    additionalProperties: {},
  }) as z.ZodType<JsonObject, JsonObject>

export const SHA256_HEX = /^[0-9a-f]{64}$/

/** What a person says with a decision. Bounded in bytes, for it is kept in signed documents. */
export const CommentSchema = z
  .string()
  .max(LIMITS.commentBytes)
  .refine((text) => utf8Bytes(text) <= LIMITS.commentBytes, 'must be at most 4 KB')
