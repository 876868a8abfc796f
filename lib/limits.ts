/**
 * What one automation, one run and one message may be at most: each lies below what Temporal takes, whose answer would
 * be to terminate the run. Workflow code imports this file.
 */
import type { JsonValue } from './json.ts'

const KB = 1024
const MB = 1024 * KB

export const LIMITS = {
  /** As JSON. INVALID_MANIFEST at save. */
  manifestBytes: 256 * KB,
  /** LIMIT_EXCEEDED; in one manifest INVALID_MANIFEST at save. */
  stepsPerRun: 500,
  /** Of one value as JSON: the input, the arguments of a call, an output, the result. VALUE_TOO_LARGE. */
  valueBytes: 4 * MB,
  /** Of all that a run keeps: its input and the outputs of its steps. VALUE_TOO_LARGE. */
  runValuesBytes: 16 * MB,
  /** Of one value, or of the body of a request: its lists, objects, texts, numbers, and the names in its objects. VALUE_TOO_LARGE; in a request INVALID_INPUT. */
  valueParts: 100_000,
  /** Of all that a run keeps. VALUE_TOO_LARGE. */
  runValuesParts: 400_000,
  /** RUN_TOO_LARGE; Temporal ends a run at 51,200. */
  historyEvents: 20_000,
  /** RUN_TOO_LARGE; Temporal ends a run at 50 MB. */
  historyBytes: 20 * MB,
  /** Of a request to the API, a trigger's included. PAYLOAD_TOO_LARGE. */
  bodyBytes: 1 * MB,
  /** In UTF-8. INVALID_INPUT; in a raw signal UNVERIFIED. */
  commentBytes: 4 * KB,
  /** Of the answer to a question, as JSON: it is kept in signed documents. INVALID_ANSWER. */
  answerBytes: 32 * KB,
  /** After that many signals that did not count no further signal is looked at: TOO_MANY_REFUSED. The API still is. */
  refusedDecisions: 50,
} as const

/** Of the largest decision that we sign, in base64. JSON may write one byte of a text as six. */
export const MAX_TICKET_LENGTH = Math.ceil(((LIMITS.answerBytes + LIMITS.commentBytes) * 6 + 16 * KB) / 3) * 4

/** Of values; a bound on both is one as well. */
export interface Size {
  bytes: number
  /** Lists, objects, texts, numbers, truths and nulls, and names in objects. Each costs whoever walks over it about the same. */
  parts: number
}

export const MAX_VALUE_SIZE: Size = { bytes: LIMITS.valueBytes, parts: LIMITS.valueParts }
export const MAX_RUN_SIZE: Size = { bytes: LIMITS.runValuesBytes, parts: LIMITS.runValuesParts }

// In the sandbox of workflows each look at a global goes through an interceptor: fifty times the cost of the walk itself.
const { isArray } = Array
const { keys } = Object
const textOf = String

/** The bytes are about those of the JSON text in UTF-8, without making it: what has to be escaped counts as it is. */
export function sizeOf(value: JsonValue): Size {
  const size = { bytes: 0, parts: 0 }
  measure(value, size)
  return size
}

export function jsonBytes(value: JsonValue): number {
  return sizeOf(value).bytes
}

export function sumOf(one: Size, other: Size): Size {
  return { bytes: one.bytes + other.bytes, parts: one.parts + other.parts }
}

/** `the output: 5.0 MB, at most 4.0 MB`; null if it is not too large. */
export function tooLarge(what: string, { bytes, parts }: Size, most: Size): string | null {
  if (bytes > most.bytes) return `${what}: ${readableBytes(bytes)}, at most ${readableBytes(most.bytes)}`
  return parts > most.parts ? `${what}: ${parts} values and names, at most ${most.parts}` : null
}

function measure(value: JsonValue, size: Size): void {
  size.parts += 1
  if (typeof value === 'string') size.bytes += utf8Bytes(value) + 2
  else if (typeof value !== 'object' || value === null) size.bytes += textOf(value).length
  else if (isArray(value)) {
    size.bytes += 2 + value.length
    for (const item of value) measure(item, size)
  } else {
    const names = keys(value)
    size.bytes += 2
    size.parts += names.length
    for (const name of names) {
      size.bytes += utf8Bytes(name) + 4
      measure(value[name] ?? null, size)
    }
  }
}

/** The sandbox of workflows has no encoder. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // Half of a pair of surrogates is two of its four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}

/** `5.0 MB`, `300 KB`. */
export function readableBytes(bytes: number): string {
  return bytes >= MB ? `${(bytes / MB).toFixed(1)} MB` : `${Math.ceil(bytes / KB)} KB`
}

/** How often a write is planned anew by itself because its target has changed; a step that is tried again has as many more. */
export const MAX_ROUNDS = 3
/** Of one loop. */
export const MAX_ITEMS = 1_000
/** Of all loops of a run: a loop in a loop multiplies. */
export const MAX_ITEMS_OF_RUN = 10_000
export const MAX_BRANCHES = 20
export const MAX_CONCURRENCY = 20
/** Calls, sleeps and sub-runs at the same time, however blocks are nested. The server refuses a run with 2,000. */
export const MAX_UNDER_WAY = 100
/** How deep blocks may stand in each other. */
export const MAX_BLOCK_DEPTH = 8
/** A run that nobody's run started is 1 deep. */
export const MAX_RUN_DEPTH = 8
/** A year and a day. */
export const MAX_SLEEP_MS = 366 * 86_400_000
/** Of the source of a `code` step, in UTF-8. INVALID_MANIFEST at save. */
export const MAX_CODE_BYTES = 64 * KB
/** Of one call of the code of a step: LIMIT_EXCEEDED. */
export const CODE_MEMORY_BYTES = 64 * MB
/** A third of what the stack of its thread bears. */
export const CODE_STACK_BYTES = 256 * KB
export const MAX_CODE_TIMEOUT_MS = 60_000
/** Of what one call says with `console`; the rest is dropped, and said to be. */
export const CODE_LOG_LINES = 100
export const CODE_LOG_BYTES = 8 * KB
/** How deep the result of a `code` step may be nested: what walks over values does so by calling itself. */
export const MAX_CODE_RESULT_DEPTH = 200
/** Steps that a dry run tells of. */
export const MAX_DRY_RUN_STEPS = 500
/** Of one value that a dry run tells; larger ones are left out. */
export const DRY_RUN_VALUE_BYTES = 8 * KB
/** Of all values that a dry run tells. */
export const DRY_RUN_VALUES_BYTES = 256 * KB
/** After that a dry run tells what it has seen. */
export const MAX_DRY_RUN_MS = 40_000
/**
 * Work of one expression, and of all templates of one value together, in units of about a nanosecond of the slowest
 * case: EXPRESSION_TOO_COSTLY. About 50 ms of one core, which is as long as others may have to wait for it.
 */
export const MAX_EXPRESSION_WORK = 50_000_000
/** Of all expressions of a run: its replay evaluates them one after the other. */
export const MAX_RUN_WORK = 200_000_000
/** Of all triggers that one event is held against. */
export const MAX_EVENT_WORK = 200_000_000
/** Of all policies that one call is held against. */
export const MAX_POLICY_WORK = 20_000_000
/** Of one value against one schema, compiled and checked in a thread, in time of a processor: SCHEMA_TOO_COSTLY. */
export const SCHEMA_TIMEOUT_MS = 1_000
/** Of one connection: INVALID_MANIFEST at save. */
export const MAX_HEADERS = 64
/** Of the name and the value of one of them, in UTF-8: INVALID_MANIFEST at save; with its secrets HEADERS_TOO_LARGE. */
export const MAX_HEADER_BYTES = 8 * KB
/** Of all of them, which is more than most servers take: INVALID_MANIFEST at save; with their secrets HEADERS_TOO_LARGE. */
export const MAX_HEADERS_BYTES = 16 * KB
/**
 * Of all that a server sends until a handshake of TLS is done: HANDSHAKE_TOO_LARGE. Its certificates are held against each
 * other before anybody refuses one, in the one thread of a process.
 */
export const MAX_HANDSHAKE_BYTES = 16 * KB
/** Of one server: LISTING_TOO_LARGE. */
export const MAX_TOOLS = 1_000
/** Of the definition of one of them: LISTING_TOO_LARGE. */
export const MAX_TOOL_BYTES = 512 * KB
/** Of all pages of a server's list together: LISTING_TOO_LARGE. */
export const MAX_LISTING_BYTES = 8 * MB
/** Of an answer of a tool or a database on the wire: servers repeat a structured value as text, where quotes take two bytes. RESULT_TOO_LARGE. */
export const MAX_ANSWER_BYTES = 10 * MB
/**
 * Of such an answer, counted in its text before it is parsed: what it says beside its value has as much room as the value.
 * RESULT_TOO_LARGE; of a page of a list LISTING_TOO_LARGE.
 */
export const MAX_ANSWER_PARTS = 2 * LIMITS.valueParts
/** Of a value that is to be replaced in a database, as people are shown it; of one with more in it they see a digest. */
export const SHOWN_PARTS = 10_000
/** Of such a value with its text. */
export const SHOWN_BYTES = 512 * KB
/** How deep a value from outside may be nested: what walks over values does so by calling itself. */
export const MAX_VALUE_DEPTH = 200
