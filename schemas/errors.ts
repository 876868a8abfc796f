/**
 * The one error table. HTTP problem bodies, `ApplicationFailure.type`, CLI texts and docs/reference/errors.md come
 * from it. Workflow code imports this file, so it imports nothing.
 *
 * `title` is the sentence for the person, `hint` the next action. `retryable` says whether the same request can
 * succeed later without anybody changing it; Temporal retries an activity that fails with a retryable code.
 */
export interface ErrorEntry {
  status: number
  retryable: boolean
  title: string
  hint: string
}

export const ERRORS = {
  // Requests
  INVALID_INPUT: entry(
    400,
    'The request does not have the expected form.',
    'Correct the named fields and send it again.',
  ),
  INVALID_MANIFEST: entry(422, 'The manifest is not valid.', 'Correct the named places and apply it again.'),
  INVALID_DEFINITION: entry(
    422,
    'The workflow definition cannot be imported.',
    'Correct the named places and import it again.',
  ),
  INVALID_EXPRESSION: entry(422, 'An expression is not valid.', 'Correct the expression at the named place.'),
  PAYLOAD_TOO_LARGE: entry(
    413,
    'The request body is too large.',
    'Send at most 1 MB, and refer to larger content by id.',
  ),
  UNSUPPORTED_MEDIA_TYPE: entry(
    415,
    'The request body has an unsupported content type.',
    'Send JSON with content-type application/json.',
  ),
  UNAUTHENTICATED: entry(
    401,
    'The request carries no valid API key.',
    'Send `Authorization: Bearer <key>`; make a key with `countersign keys create`.',
  ),
  FORBIDDEN: entry(403, 'This API key may not do that.', 'Use a key with the named scope.'),
  NOT_FOUND: entry(404, 'There is no such thing.', 'Check the name or id; list what exists with the CLI.'),
  LAST_ADMIN: entry(
    409,
    'Nobody else could undo it.',
    'Give somebody else a key with the scope `admin` first.',
  ),
  METHOD_NOT_ALLOWED: entry(405, 'This path has no such method.', 'Use one that the `Allow` header names.'),
  REVISION_CONFLICT: entry(
    409,
    'Somebody else has changed this manifest meanwhile.',
    'Read the current revision, merge, and apply again.',
  ),
  STILL_USED: entry(
    409,
    'Something that is in use needs it.',
    'Change or remove what is named first; let the named writes come to their end.',
  ),
  IDEMPOTENCY_CONFLICT: entry(
    409,
    'This Idempotency-Key was used for a different request.',
    'Use a new key for a new request.',
  ),
  RATE_LIMITED: entry(429, 'Too many requests.', 'Wait as long as `Retry-After` says.', true),
  TOO_MANY_WATCHERS: entry(429, 'Too many callers wait for runs.', 'Look at the run now and then.', true),
  INTERNAL: entry(
    500,
    'Something went wrong on our side.',
    'Try again; if it persists, look for the request id in the log.',
    true,
  ),
  UNAVAILABLE: entry(
    503,
    'A service that this request needs is away.',
    'Try again after the time in `Retry-After`.',
    true,
  ),

  ORGANIZATION_BUSY: entry(
    503,
    'Too much of this organization is under way at once.',
    'It is tried again by itself. Start less at once, or give the organization workers of its own.',
    true,
  ),

  // Runs
  AUTOMATION_PAUSED: entry(409, 'It is paused and starts nothing.', 'Resume it, then send this again.'),
  UNRESOLVED_REFERENCE: entry(
    422,
    'An expression refers to something that does not exist.',
    'Correct the reference in the automation and start a new run.',
  ),
  EXPRESSION_FAILED: entry(
    422,
    'An expression could not be evaluated.',
    'Correct the expression in the automation and start a new run.',
  ),
  EXPRESSION_TOO_COSTLY: entry(
    422,
    'An expression looks at too much data.',
    'Let it look at less: fewer items, shorter texts, one look instead of one per item. Or use a `code` step.',
  ),
  SCHEMA_TOO_COSTLY: entry(
    422,
    'A value cannot be held against a JSON Schema in reasonable time.',
    'Simplify the named schema: its patterns first, then its size. One of a tool is its server’s matter.',
  ),
  LIMIT_EXCEEDED: entry(422, 'The run went over a limit.', 'Do less in one run, or split it.'),
  VALUE_TOO_LARGE: entry(
    422,
    'A value is too large to be kept in a run.',
    'Ask the tool for less, or pass a reference.',
  ),
  RUN_TOO_LARGE: entry(
    422,
    'The history of the run has grown too large.',
    'Split the automation: start further runs instead of doing all in one.',
  ),
  PAYLOAD_UNAVAILABLE: entry(
    503,
    'A value of this run cannot be read now.',
    'Bring back the named row of the table `payloads`, or the named encryption key; the run goes on by itself.',
    true,
  ),
  SUB_RUN_FORGOTTEN: entry(
    409,
    'Temporal has forgotten a run that this step started, so it cannot be taken up again.',
    'See what it has done with `countersign writebacks list`, and start a new run for what is missing.',
  ),
  STEP_FAILED: entry(
    422,
    'A step of the run has failed.',
    'Look at the step with `countersign runs show`, or in the Temporal UI.',
  ),
  CODE_FAILED: entry(
    422,
    'The code of a step has failed.',
    'Look at the named line and at the log of the step; correct the automation and start a new run.',
  ),
  CODE_TIMEOUT: entry(
    422,
    'The code of a step took too long.',
    'Do less in one step, or give it a longer `timeout`.',
  ),
  RUN_OVER: entry(409, 'The run is over: nothing is left to cancel.', 'Look at the run for how it ended.'),
  CANCELLED: entry(409, 'The run was cancelled.', 'Start a new run if it is still wanted.'),

  // Calls
  CONNECTION_NOT_FOUND: entry(
    422,
    'The connection does not exist.',
    'Apply a Connection manifest with this name.',
  ),
  CONNECTION_NOT_READY: entry(
    503,
    'The connection cannot be reached now.',
    'Start the server or correct its address; the call goes on by itself.',
    true,
  ),
  ADDRESS_NOT_ALLOWED: entry(
    503,
    'The address of the connection is not one that the worker may connect to.',
    'Correct it, or the secret that it comes from. Only one in a private network needs the word of the operator of the worker, COUNTERSIGN_ALLOWED_HOSTS, and that of an MCP connection too, `allow_private_addresses: true`.',
    true,
  ),
  HANDSHAKE_TOO_LARGE: entry(
    503,
    'The server sends more to begin TLS than we accept.',
    'Let the server send a shorter chain of certificates, without the root and without others that nobody needs, and if it asks for a certificate, a shorter list of authorities: all of it in at most 16 KB. The call goes on by itself.',
    true,
  ),
  HEADERS_TOO_LARGE: entry(
    503,
    'The headers of the connection are larger than we send, with the secrets in them.',
    'Refer to shorter secrets: a header has at most 8 KB, all of a connection 16 KB. The call goes on by itself.',
    true,
  ),
  SECRET_NOT_ALLOWED: entry(
    503,
    'A secret may not be sent to where the connection leads, or not by this organization.',
    'Correct the address; or have the operator of the worker bind the secret to the host, in its secrets file.',
    true,
  ),
  SECRET_NOT_FOUND: entry(
    503,
    'A secret that the connection refers to is not set on the worker.',
    'Set it in the environment or the secrets file of the worker; the call goes on by itself.',
    true,
  ),
  COMMAND_NOT_FOUND: entry(
    503,
    'The program of the connection cannot be started on the worker.',
    'Add its entry to countersign.commands.json there, install the program that the entry names, or give the worker the right that the message names; the call goes on by itself.',
    true,
  ),
  LOGIN_REFUSED: entry(
    503,
    'The database refused our login.',
    'Correct the secret that the connection refers to, or the login in the database; the call goes on by itself.',
    true,
  ),
  CREDENTIALS_REFUSED: entry(
    502,
    'The server refused our credentials.',
    'Renew the secret that the connection refers to; look at the target of a write, then start a new run.',
  ),
  TOOL_NOT_FOUND: entry(
    422,
    'The server has no such tool.',
    'Correct the tool’s name, or bring the tool back.',
  ),
  TOOL_CHANGED: entry(
    409,
    'The definition of a writing tool has changed since the automation was saved.',
    'Look at the new definition, then apply the automation again.',
  ),
  INVALID_ARGUMENTS: entry(
    422,
    'The arguments do not fit what the target expects.',
    'Correct the named arguments; nothing was sent.',
  ),
  TOOL_FAILED: entry(
    502,
    'The tool answered with an error.',
    'Look at its message; the call is not repeated by itself.',
  ),
  CALL_REFUSED: entry(
    502,
    'The server refused the call.',
    'Look at its message, and at the target of a write: some refuse what they have done.',
  ),
  CALL_THROTTLED: entry(
    503,
    'The server asks us to slow down.',
    'Nothing to do for a reading; look at the target of a write, and see `refusals` of the connection.',
    true,
  ),
  CALL_TIMEOUT: entry(
    504,
    'The server did not answer in time.',
    'Nothing to do for a reading; a write is checked before anything is sent again.',
    true,
  ),
  CALL_INTERRUPTED: entry(
    502,
    'The connection broke before the answer came.',
    'Nothing to do for a reading; a write is checked before anything is sent again.',
    true,
  ),
  RESULT_TOO_LARGE: entry(502, 'The server answered with more than we accept.', 'Ask the tool for less.'),
  LISTING_TOO_LARGE: entry(
    502,
    'The server lists too many tools, or too large ones.',
    'Let the server list at most 1,000 tools with at most 8 MB; divide it into several.',
  ),
  RESULT_INVALID: entry(
    502,
    'The server’s answer does not fit its own declaration, or cannot be kept as it is.',
    'Report it to the server’s author: a number over 2^53 has to be a text, and a text has to be UTF-8.',
  ),

  // Writes
  POLICY_DENIED: entry(
    403,
    'A policy rule denies this call.',
    'Ask whoever owns the policy of the named rule.',
  ),
  WRITE_NOT_AUTHORISED: entry(
    403,
    'The decisions do not authorise this write.',
    'Get what is missing approved.',
  ),
  UNKNOWN_ORIGIN: entry(
    403,
    'This write does not come from a run that Countersign started.',
    'Start runs through the API, the CLI or a trigger.',
  ),
  DRY_RUN_NOT_GRANTED: entry(
    403,
    'This dry run was not granted by the API.',
    'Start dry runs through the API or the CLI.',
  ),
  WRITE_IN_PROGRESS: entry(
    409,
    'Another attempt of this write may still be under way.',
    'Nothing to do; it is looked at again when its deadline has passed.',
    true,
  ),
  RECONCILER_OFF: entry(
    409,
    'The reconciler is switched off.',
    'Start the workers without COUNTERSIGN_RECONCILER=off when you have looked at what was restored.',
  ),
  WRITE_NOT_SENT: entry(
    503,
    'The write could not be sent.',
    'Nothing to do; it is surely not done, and tried again.',
    true,
  ),
  WRITE_CONFLICT: entry(
    409,
    'The target has changed since the write was planned.',
    'Start a new run on the current state.',
  ),
  CONNECTION_CHANGED: entry(
    409,
    'The connection was edited after the write was planned.',
    'It is planned and approved anew by itself; where it is not, start a new run.',
  ),
  STORED_OTHERWISE: entry(
    422,
    'The database stores something else than was approved.',
    'Nothing was changed. Give the value as the database stores it, or have what changes this column (a trigger, a rule) taken away.',
  ),
  WRITE_FAILED: entry(502, 'The target refused the write.', 'Look at its message; nothing was changed.'),
  OUTCOME_UNKNOWN: entry(
    502,
    'Nobody can tell whether the write was done.',
    'Look at the target, then resolve the writeback.',
  ),
  OUTCOME_NOT_PROVEN: entry(
    409,
    'The ledger says how this write has ended, and no receipt of ours proves it.',
    'Look at the target and at the receipts of the run: somebody may have changed the database.',
  ),
  NOT_APPLIED: entry(502, 'The write was not done.', 'Start a new run if it is still wanted.'),
  NOT_UNKNOWN: entry(
    409,
    'There is nothing to resolve: what became of this write is not in doubt.',
    'Look at the writeback for its state.',
  ),
  CONNECTION_FROZEN: entry(
    503,
    'The connection is frozen: no write goes through it.',
    'Thaw it with `countersign connections thaw`; the write goes on by itself.',
    true,
  ),
  TARGET_NOT_PREPARED: entry(
    503,
    'The target database has no table for receipts.',
    'Run the SQL of `countersign receipts ddl` there; the write goes on by itself.',
    true,
  ),
  TABLE_NOT_USABLE: entry(
    503,
    'The target database lacks a table or column that the connection names, or does not let us use it.',
    'Make it there, grant the login of the connection SELECT and UPDATE on it, or correct `tables`; the write goes on by itself.',
    true,
  ),

  // Approvals
  ALREADY_DECIDED: entry(409, 'This approval is already decided.', 'Nothing to do: the decision stands.'),
  INVALID_ANSWER: entry(
    422,
    'The answer does not fit the form of the question.',
    'Correct the named places and answer again.',
  ),
  ALREADY_VOTED: entry(409, 'You have already voted.', 'Nothing to do; somebody else is needed.'),
  SELF_APPROVAL: entry(
    409,
    'Whoever asked for a write may not decide about it.',
    'Ask somebody else who has the role.',
  ),
  NOT_THEIR_TURN: entry(
    409,
    'Others have to approve before.',
    'Look at `countersign approvals show` for whom it waits; approve when they have.',
  ),
  NOT_ELIGIBLE: entry(
    409,
    'You may not decide about this writeback.',
    'Ask somebody with one of the named roles.',
  ),
  STALE_DIGEST: entry(
    409,
    'The decision is about a different write than the one that waits.',
    'Look at what waits now and decide again.',
  ),
  EXPIRED: entry(409, 'The time to decide is over.', 'Start a new run if the write is still wanted.'),
  UNVERIFIED: entry(
    409,
    'The decision is not signed by a door that we trust.',
    'Use the API or the CLI, or paste a ticket made with `--ticket`.',
  ),
  TOO_MANY_REFUSED: entry(
    409,
    'Too many signals did not count; no further signal is looked at.',
    'Decide by the API or the CLI, which are still heard.',
  ),
  NO_ELIGIBLE_APPROVER: entry(
    422,
    'Nobody could approve this write.',
    'Give somebody other than the requester the named role.',
  ),
  REJECTED: entry(409, 'The write was rejected.', 'Look at the comment of whoever rejected it.'),
  WITHDRAWN: entry(409, 'The write was withdrawn.', 'Start a new run if it is still wanted.'),
  WAIT_OVER: entry(410, 'This approval is no longer waiting.', 'Look at the run for what became of it.'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}

/** An error of the table on its way through our code. `message` is the detail: what, where, which. */
export class CodedError extends Error {
  readonly code: ErrorCode
  readonly nextRetryDelayMs: number | undefined

  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown; nextRetryDelayMs?: number }) {
    super(detail, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CodedError'
    this.code = code
    this.nextRetryDelayMs = options?.nextRetryDelayMs
  }
}

function entry(status: number, title: string, hint: string, retryable = false): ErrorEntry {
  return { status, retryable, title, hint }
}
