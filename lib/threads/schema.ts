/** The thread in which values are held against schemas: one request after the other, each answered once. */
import { parentPort } from 'node:worker_threads'
import { compileSchema, type Misfit } from '../json-schema.ts'
import type { JsonObject, JsonValue } from '../json.ts'
import { SCHEMA_TIMEOUT_MS } from '../limits.ts'
import { withinTime } from '../within-time.ts'
import { ownClock, processorMs } from './processor-time.ts'

export interface SchemaRequest {
  schema: JsonObject
  value: JsonValue
  /** Whether the schema itself is checked. */
  isChecked: boolean
}

export type SchemaAnswer = { ok: true; misfits: Misfit[] } | { ok: false; message: string }

/** Nobody reads more. */
const MAX_MISFITS = 100
/** Of a processor, that it is given at least: after a process slept for a minute it had next to nothing. */
const LEAST_SHARE = 0.1
const clock = ownClock()

parentPort?.on('message', (request: SchemaRequest) => {
  parentPort?.postMessage(answerTo(request))
})
// The first schema takes many times as long as any later one, for the schema of schemas is compiled with it: on a busy
// machine that alone could be taken for a schema that costs too much.
compileSchema({ type: 'object' })
parentPort?.postMessage(clock)

function answerTo({ schema, value, isChecked }: SchemaRequest): SchemaAnswer | 'too costly' {
  const endsAtMs = processorMs(clock) + SCHEMA_TIMEOUT_MS
  // The engine stops it by the wall clock. If it had little of a processor until then, it is begun again.
  for (let leftMs = SCHEMA_TIMEOUT_MS, share = 1; leftMs > 0; leftMs = endsAtMs - processorMs(clock)) {
    const timeoutMs = Math.ceil(leftMs / share)
    const beganAtMs = processorMs(clock)
    const checked = withinTime((): SchemaAnswer => {
      const compiled = compileSchema(schema, isChecked)
      if (!compiled.ok) return compiled
      return { ok: true, misfits: compiled.misfitsOf(value).slice(0, MAX_MISFITS) }
    }, timeoutMs)
    if (checked.ended) return checked.value
    share = Math.max(LEAST_SHARE, (processorMs(clock) - beganAtMs) / timeoutMs)
  }
  return 'too costly'
}
