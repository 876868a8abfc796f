/**
 * Tools of MCP servers. The protocol has no key for repeated calls and its annotations are only a server's word, so a
 * write is sent at most once unless the operator says that sending it again is harmless.
 */
import { evaluateStrictly, type Scope } from '../../lib/cel.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_ANSWER_BYTES } from '../../lib/limits.ts'
import { factsOfTool } from '../../lib/policy.ts'
import type { SendWindow } from '../../lib/send-window.ts'
import { resolveTemplates } from '../../lib/templates.ts'
import { writeSettings } from '../../lib/write-settings.ts'
import type { CatalogTool, ToolCatalog } from '../../mcp/catalog.ts'
import { McpCallError } from '../../mcp/errors.ts'
import type { McpClientPort, McpServer, ToolDefinition, ToolResult } from '../../mcp/port.ts'
import { validateArguments, validateResult } from '../../mcp/tool-schemas.ts'
import { toolClass } from '../../lib/tool-class.ts'
import { CodedError, ERRORS } from '../../schemas/errors.ts'
import type { McpConnectionSpec, ToolSettings } from '../../schemas/manifests.ts'
import type { Target, TargetResolver } from '../targets.ts'
import type {
  Answer,
  CheckAnswer,
  Described,
  Executor,
  Limits,
  Looking,
  Operation,
  PlannedWrite,
  Reading,
  Resolved,
  Sending,
} from './executor.ts'
import { keptOf, outputOf, wordsOf, type Kept } from './mcp-answers.ts'

/** The list was read for this very call; should it be gone, the answer is not kept waiting for it. */
const DECLARATION_LIMIT_MS = 1_000
/**
 * Our vendor prefix in `_meta`, where a server that cares can find the key of a write, and the digest of what people have
 * approved. The same key with another digest is another plan of a write that it has done: our records were restored.
 */
const KEY_IN_META = 'countersign/idempotencyKey'
const DIGEST_IN_META = 'countersign/digest'

export interface McpToolDeps {
  mcp: McpClientPort
  catalog: ToolCatalog
  /** Resolves secrets and commands. Throws SECRET_NOT_FOUND, COMMAND_NOT_FOUND. */
  targetOf: TargetResolver
  onProgress: (tool: string) => void
}

export function createMcpToolExecutor(deps: McpToolDeps): Executor {
  return {
    name: 'mcp_tool',
    how: 'answered',
    resolve: (operation, limits) => resolve(deps, ofMcp(operation), limits),
    read: (operation, reading) => read(deps, ofMcp(operation), reading),
    plan: async (operation) => planTool(ofMcp(operation)),
    describe: describeTool,
    apply: (operation, sending) => apply(deps, ofMcp(operation), sending),
    resend: (operation) => resendOf(settingsOf(ofMcp(operation))),
    check: (operation, looking) => check(deps, ofMcp(operation), looking),
  }
}

async function resolve(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  limits: Limits,
): Promise<Resolved> {
  const target = await deps.targetOf(operation)
  const tool = await currentTool(deps, operation, { ...limits, destination: target })
  const { problems } = await validateArguments(tool.definition, operation.arguments, operation.organization)
  if (problems.length > 0) {
    throw new CodedError(
      'INVALID_ARGUMENTS',
      `${operation.connection}.${operation.operation}: ${problems.join('; ')}`,
    )
  }
  return {
    class: classOf(operation.spec, tool.definition),
    endpoint: endpointOf(operation, target),
    definitionSha256: tool.hash,
    destination: target,
  }
}

/** A reading may go by a list that is a few seconds old; a write never does. */
async function currentTool(
  { catalog }: McpToolDeps,
  { spec, operation }: Operation<McpConnectionSpec>,
  reading: Reading,
): Promise<CatalogTool> {
  const target = targetIn(reading)
  const known = await catalog.getTool(target, operation, reading)
  if (classOf(spec, known.definition) === 'read') return known
  return catalog.getTool(target, operation, { ...reading, fresh: true })
}

/** What does not fit the server's own declaration is no answer, where we can check it. */
async function read(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  reading: Reading,
): Promise<JsonValue> {
  const { operation: tool, organization } = operation
  const { definition } = await currentTool(deps, operation, reading)
  const result = await call(deps, operation, reading, 'reading')
  const output = outputOf(tool, result)
  const { problems } = await validateResult(definition, result, organization)
  if (problems.length > 0) throw new CodedError('RESULT_INVALID', `${tool}: ${problems.join('; ')}`)
  return output
}

/** A manifest only names its command: what that is, the worker's own file says. */
function endpointOf(
  { spec, operation: tool, ...operation }: Operation<McpConnectionSpec>,
  target: Target,
): JsonObject {
  const { check: declared } = settingsOf({ ...operation, spec, operation: tool })
  const settings = writeSettings(spec, declared ? [tool, declared.tool] : [tool])
  return target.type === 'stdio' ? { ...settings, command_sha256: target.commandSha256 } : settings
}

/** As `resolve` has read it: whatever was read again could be another server, with tools that are called the same. */
function targetIn({ destination }: Pick<Reading, 'destination'>): McpServer {
  if (destination === null) throw new Error('an MCP server is reached as it was resolved')
  return destination as McpServer
}

export function classOf(spec: McpConnectionSpec, definition: ToolDefinition): 'read' | 'write' {
  return toolClass(spec, definition).class
}

/** A tool shows nothing of its target beforehand: people see the arguments, and they are what is sent. */
function planTool(operation: Operation<McpConnectionSpec>): PlannedWrite {
  const { key_argument: keyArgument } = settingsOf(operation)
  if (keyArgument !== undefined && Object.hasOwn(operation.arguments, keyArgument)) {
    const { connection, operation: tool } = operation
    const detail = `the connection puts the key of the write into ${keyArgument}, which is given already`
    throw new CodedError('INVALID_ARGUMENTS', `${connection}.${tool}: ${detail}`)
  }
  return { stored: null, before: {}, preconditions: {}, guard: 'none' }
}

function describeTool({ connection, operation, arguments: args }: Operation): Described {
  const facts = { arguments: args, ...factsOfTool(args) }
  return { target: `${connection}.${operation}`, facts, after: args }
}

async function apply(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  sending: Sending,
): Promise<Answer> {
  const settings = settingsOf(operation)
  const keyArgument = settings.key_argument
  const keyed = keyArgument ? { ...operation.arguments, [keyArgument]: sending.key } : operation.arguments
  try {
    const result = await call(deps, { ...operation, arguments: keyed }, sending, {
      window: sending.window,
      meta: { [KEY_IN_META]: sending.key, [DIGEST_IN_META]: sending.digest },
    })
    if (!result.isError)
      return { kind: 'answered', status: 'applied', ...(await appliedOf(deps, operation, result, sending)) }
    return {
      kind: 'answered',
      status: 'failed',
      output: keptOf(result).output,
      code: 'TOOL_FAILED',
      message: wordsOf(result),
      // Also where a second sending is harmless: a new round has a new key, which the tool does not know again.
      mayHaveChanged: !settings.refusals?.includes('isError'),
    }
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    const unsent = sending.window.giveUp(error)
    return unsent ? { kind: 'not_sent', unsent } : answerOf(error, settings)
  }
}

/** A write that was done is done, also where its answer does not fit what the server declares. */
async function appliedOf(
  { catalog }: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  result: ToolResult,
  sending: Sending,
): Promise<Kept> {
  const kept = keptOf(result)
  if (kept.code !== undefined) return kept
  try {
    const limits = { deadlineAtMs: Date.now() + DECLARATION_LIMIT_MS, signal: new AbortController().signal }
    const { definition } = await catalog.getTool(targetIn(sending), operation.operation, limits)
    const { problems } = await validateResult(definition, result, operation.organization)
    return problems.length === 0 ? kept : { ...kept, code: 'RESULT_INVALID', message: problems.join('; ') }
  } catch {
    return kept
  }
}

/**
 * Of a call that has left us. What the server, or what stands before it, answers is its word: a look tells more, and
 * only the operator can say that a tool which refuses has done nothing. An answer that cannot be read, and an error that
 * may come after the deed, are looked at where a look can tell; else nobody knows, and the server's words are all there is.
 */
function answerOf(error: CodedError, settings: ToolSettings): Answer {
  if (!(error instanceof McpCallError)) return { kind: 'lost', error, isAnswered: false }
  const { sent, answer, status, code, message } = error
  if (settings.refusals?.some((word) => word === answer || word === status))
    return { kind: 'not_done', by: 'operator', error }
  const isSentAgain = resendOf(settings) === 'safe' && ERRORS[code].retryable
  const isAnswered = sent === 'yes' || sent === 'refused' || code === 'TOOL_FAILED'
  if (!isAnswered || isSentAgain || settings.check !== undefined)
    return { kind: 'lost', error, isAnswered: isAnswered && !isSentAgain }
  const answered = { kind: 'answered', code, message, output: null } as const
  if (sent !== 'refused') return { ...answered, status: 'unknown' }
  return { ...answered, status: 'failed', mayHaveChanged: true }
}

/** How a call leaves: a write through its window, with what goes along; a reading as often as one likes. */
type Wire = { window: SendWindow; meta: Record<string, unknown> } | 'reading'

async function call(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  reading: Reading,
  wire: Wire,
): Promise<ToolResult> {
  const { window, meta } = wire === 'reading' ? { window: null, meta: {} } : wire
  return deps.mcp.callTool({
    window,
    target: targetIn(reading),
    tool: operation.operation,
    arguments: operation.arguments,
    meta,
    deadlineAtMs: reading.deadlineAtMs,
    signal: reading.signal,
    maxResultBytes: MAX_ANSWER_BYTES,
    onProgress: () => deps.onProgress(operation.operation),
  })
}

function settingsOf({ spec, operation }: Operation<McpConnectionSpec>): ToolSettings {
  return (Object.hasOwn(spec.tools, operation) ? spec.tools[operation] : undefined) ?? {}
}

function resendOf({ resend, check }: ToolSettings): 'safe' | 'check' | 'never' {
  return resend ?? (check ? 'check' : 'never')
}

/** By the reading that the operator has named, with what he says about its result. */
async function check(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  looking: Looking,
): Promise<CheckAnswer | null> {
  const declared = settingsOf(operation).check
  if (!declared) return null
  const scope: Scope = { arguments: operation.arguments, key: looking.key }
  try {
    const args = resolveTemplates(declared.arguments as JsonObject, scope) as JsonObject
    const reading = { ...operation, operation: declared.tool, arguments: args }
    const tool = await currentTool(deps, reading, looking)
    if (classOf(operation.spec, tool.definition) !== 'read')
      return { kind: 'unclear', message: `${declared.tool}, which should tell, is not a reading tool` }
    const result = await read(deps, reading, looking)
    const verdict = evaluateStrictly(declared.applied_if, { ...scope, result })
    if (typeof verdict !== 'boolean')
      return { kind: 'unclear', message: `applied_if of ${operation.operation} gives no yes or no` }
    return verdict ? { kind: 'applied', output: result } : { kind: 'not_applied', isFinal: false }
  } catch (error) {
    if (!(error instanceof CodedError) || ERRORS[error.code].retryable) throw error
    return { kind: 'unclear', message: `${declared.tool} could not tell: ${error.message}` }
  }
}

function ofMcp(operation: Operation): Operation<McpConnectionSpec> {
  if (operation.spec.type !== 'mcp') throw new Error(`${operation.connection} is not an MCP connection`)
  return operation as Operation<McpConnectionSpec>
}
