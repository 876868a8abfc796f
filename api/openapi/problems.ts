/** The answers of an operation that are no success, each status with the codes that come with it. */
import { CodedError, ERRORS, type ErrorCode } from '../../schemas/errors.ts'
import { errorsOf, type Operation } from '../../schemas/operations/operation.ts'
import { ProblemSchema } from '../../schemas/problem.ts'
import { PROBLEM_TYPE, problemOf } from '../plugins/problems.ts'

const EXAMPLE_REQUEST_ID = 'req_7c0de0c8a7d34a4f9d0e4d4f3b1c9a55'

export function problemResponses(operation: Operation) {
  return Object.fromEntries(
    [...codesByStatus(operation)].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join(' '),
        ...(status === 429 || status === 503 ? { headers: RETRY_AFTER } : {}),
        content: { [PROBLEM_TYPE]: { schema: ProblemSchema } },
      },
    ]),
  )
}

/** As many as there are codes with this status, by code. */
export function problemExamples(operation: Operation, status: number) {
  const codes = codesByStatus(operation).get(status) ?? []
  return Object.fromEntries(
    codes.map((code) => [
      code,
      {
        summary: ERRORS[code].title,
        value: problemOf(new CodedError(code, exampleDetail(code)), EXAMPLE_REQUEST_ID),
      },
    ]),
  )
}

function codesByStatus(operation: Operation): Map<number, ErrorCode[]> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of errorsOf(operation)) {
    const { status } = ERRORS[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}

const RETRY_AFTER = {
  'retry-after': { description: 'Seconds to wait before the next try.', schema: { type: 'integer' } },
}

function exampleDetail(code: ErrorCode): string {
  return DETAILS[code] ?? 'What is wrong, with names and places.'
}

const DETAILS: Partial<Record<ErrorCode, string>> = {
  INVALID_INPUT: '(querystring).limit: must be at most 100.',
  UNAUTHENTICATED: 'The key is unknown, revoked or expired.',
  FORBIDDEN: 'The key of lena@acme.example lacks the scope `admin`.',
  RATE_LIMITED: 'This key may send 50 requests per second.',
  NOT_FOUND: 'There is no run run_00000000000000000000000000000000.',
  UNAVAILABLE: 'Temporal does not answer.',
  INTERNAL: 'The request could not be completed.',
  PAYLOAD_TOO_LARGE: 'The body is over 1 MB.',
  UNSUPPORTED_MEDIA_TYPE: 'The body is not application/json.',
  AUTOMATION_PAUSED:
    'Automation late-fee was paused by ops@acme.example at 2026-11-02T09:00:00.000Z: month end.',
  ALREADY_DECIDED: 'max@acme.example rejected it at 2026-11-02T09:00:00.000Z (cli).',
  SELF_APPROVAL: 'lena@acme.example asked for this write.',
  NOT_THEIR_TURN: 'first 1 of finance must approve.',
  NOT_ELIGIBLE: 'It needs the role finance.',
  STALE_DIGEST: 'What waits now has another digest.',
  WAIT_OVER: 'Approval wb_7e1f.waive.1: it is withdrawn.',
  REVISION_CONFLICT: 'Automation late-fee is at revision 4, not 3.',
  IDEMPOTENCY_CONFLICT: 'The key belongs to delivery dlv_7c0de0c8a7d34a4f9d0e4d4f3b1c9a55.',
}
