/**
 * The code of a step, in the sandbox. It changes nothing outside, so it goes through no door, and whoever starts it with
 * a source of his own has computed something, and no more. An attempt that dies is made again and computes the same: the
 * clock inside is that of the first attempt.
 */
import { ApplicationFailure } from '@temporalio/activity'
import { sha256Hex } from '../lib/canonical-json.ts'
import { failureText } from '../lib/failure-text.ts'
import type { JsonValue } from '../lib/json.ts'
import { MAX_CODE_TIMEOUT_MS } from '../lib/limits.ts'
import { inSandbox } from '../lib/sandbox/pool.ts'
import { CodedError } from '../schemas/errors.ts'
import type { CodeInput, CodeOutput } from '../schemas/run.ts'

/** Throws CODE_FAILED, CODE_TIMEOUT, LIMIT_EXCEEDED, VALUE_TOO_LARGE, each with the log in its details. */
export async function runCode(
  {
    source,
    context,
    timeoutMs,
    seed,
    nowMs,
    organization,
  }: CodeInput & { source: string; nowMs: number; organization: string },
  signal: AbortSignal,
): Promise<CodeOutput> {
  if (!(timeoutMs > 0 && timeoutMs <= MAX_CODE_TIMEOUT_MS))
    throw new CodedError('INVALID_INPUT', `the timeout of code is at most ${MAX_CODE_TIMEOUT_MS} ms`)
  const contextText = JSON.stringify(context)
  const request = { kind: 'run', source, contextText, timeoutMs, nowMs, seed: sha256Hex(seed) } as const
  const answer = await inSandbox(request, { organization, signal })
  const { logs } = answer
  if (answer.ok) return { output: JSON.parse(answer.outputText) as JsonValue, logs }
  throw ApplicationFailure.create({
    type: answer.code,
    message: failureText(answer.code, answer.message),
    nonRetryable: true,
    details: [{ logs }],
  })
}
