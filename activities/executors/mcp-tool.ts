/**
 * Tools of MCP servers. The protocol has no key for repeated calls and its annotations are only a server's word, so a
 * write is sent at most once unless the operator says that sending it again is harmless.
 */
import { evaluateExpression, type Scope } from '../../lib/cel.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { jsonBytes, LIMITS, readableBytes } from '../../lib/limits.ts'
import { factsOfTool } from '../../lib/policy.ts'
import { storableValue } from '../../lib/storable.ts'
import { resolveTemplates } from '../../lib/templates.ts'
import type { CatalogTool, ToolCatalog } from '../../mcp/catalog.ts'
import { cleanText, McpCallError } from '../../mcp/errors.ts'
import type { McpClientPort, ToolDefinition, ToolResult } from '../../mcp/port.ts'
import { validateArguments } from '../../mcp/tool-schemas.ts'
import { CodedError, ERRORS } from '../../schemas/errors.ts'
import type { McpConnectionSpec, ToolSettings } from '../../schemas/manifests.ts'
import type { TargetResolver } from '../targets.ts'
import type {
  Answer,
  CheckAnswer,
  Executor,
  Limits,
  Operation,
  PlannedWrite,
  Resolved,
  Sending,
} from './executor.ts'

/** Of the answer on the wire: servers repeat a structured value as text, where quotes take two bytes. */
const MAX_ANSWER_BYTES = 10 * 1024 * 1024
/** Our vendor prefix in `_meta`, where a server that cares can find the key of a write. */
const KEY_IN_META = 'countersign/idempotencyKey'

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
    read: async (operation, limits) =>
      outputOf(operation.operation, await call(deps, ofMcp(operation), limits)),
    plan: async (operation) => planTool(operation),
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
  const tool = await currentTool(deps, operation, limits)
  const problems = validateArguments(tool.definition, operation.arguments)
  if (problems.length > 0) {
    throw new CodedError(
      'INVALID_ARGUMENTS',
      `${operation.connection}.${operation.operation}: ${problems.join('; ')}`,
    )
  }
  return {
    class: classOf(operation.spec, tool.definition),
    endpoint: endpointOf(operation.spec),
    target: `${operation.connection}.${operation.operation}`,
    facts: factsOfTool(operation.arguments),
    definitionSha256: tool.hash,
  }
}

/** A reading may go by a list that is a few seconds old; a write never does. */
async function currentTool(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  limits: Limits,
): Promise<CatalogTool> {
  const target = await deps.targetOf(operation)
  const known = await deps.catalog.getTool(target, operation.operation, limits)
  if (classOf(operation.spec, known.definition) === 'read') return known
  return deps.catalog.getTool(target, operation.operation, { ...limits, fresh: true })
}

function endpointOf(spec: McpConnectionSpec): JsonObject {
  return spec.transport === 'http' ? { url: spec.url } : { command: spec.command }
}

/** The operator's word first; a server's own only if the operator trusts it; else the worst. */
export function classOf(spec: McpConnectionSpec, definition: ToolDefinition): 'read' | 'write' {
  const word = spec.tools[definition.name]?.class
  if (word) return word
  return spec.trusted && definition.annotations?.['readOnlyHint'] === true ? 'read' : 'write'
}

/** A tool shows nothing of its target beforehand: people see the arguments. */
function planTool(operation: Operation): PlannedWrite {
  const changes = Object.entries(operation.arguments).map(([field, after]) => ({
    field,
    before: null,
    after,
  }))
  return { changes, preconditions: {}, guard: 'none' }
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
      [KEY_IN_META]: sending.key,
    })
    if (!result.isError) return { kind: 'answered', status: 'applied', ...keptOf(result) }
    return {
      kind: 'answered',
      status: 'failed',
      ...keptOf(result),
      code: 'TOOL_FAILED',
      message: cleanText(textOf(result)),
      ...(resendOf(settings) === 'safe' ? {} : { mayHaveChanged: true }),
    }
  } catch (error) {
    return answerOf(error, settings.check !== undefined)
  }
}

/** An answer that cannot be read is as good as lost where a look can tell what it would have said. */
function answerOf(error: unknown, canCheck: boolean): Answer {
  if (error instanceof McpCallError && error.sent === 'yes') {
    if (canCheck) return { kind: 'lost', error }
    return { kind: 'answered', status: 'unknown', code: error.code, message: error.message, output: null }
  }
  if (error instanceof McpCallError && error.sent === 'unknown') return { kind: 'lost', error }
  if (error instanceof CodedError) return notSent(error)
  throw error
}

/** What will not get better by waiting ends the write; the rest is tried again. */
function notSent(error: CodedError): Answer {
  if (ERRORS[error.code].retryable) return { kind: 'not_sent', error }
  return { kind: 'answered', status: 'failed', code: error.code, message: error.message, output: null }
}

async function call(
  deps: McpToolDeps,
  operation: Operation<McpConnectionSpec>,
  limits: Limits,
  meta: Record<string, unknown> = {},
): Promise<ToolResult> {
  return deps.mcp.callTool({
    target: await deps.targetOf(operation),
    tool: operation.operation,
    arguments: operation.arguments,
    meta,
    deadlineAtMs: limits.deadlineAtMs,
    signal: limits.signal,
    maxResultBytes: MAX_ANSWER_BYTES,
    onProgress: () => deps.onProgress(operation.operation),
  })
}

function outputOf(tool: string, result: ToolResult): JsonValue {
  if (result.isError) throw new CodedError('TOOL_FAILED', `${tool}: ${cleanText(textOf(result))}`)
  const { output, message } = keptOf(result)
  if (message !== undefined) throw new CodedError('RESULT_TOO_LARGE', `${tool}: ${message}`)
  return output
}

/** A write that was done is done, also when its answer is too large to be kept. */
function keptOf(result: ToolResult): { output: JsonValue; code?: 'RESULT_TOO_LARGE'; message?: string } {
  const output = jsonOf(result)
  const bytes = jsonBytes(output)
  if (bytes <= LIMITS.valueBytes) return { output }
  const message = `the answer has ${readableBytes(bytes)}, at most ${readableBytes(LIMITS.valueBytes)} are kept`
  return { output: null, code: 'RESULT_TOO_LARGE', message }
}

/** Structured content where the tool gives it, else its text, and its content blocks of other kinds. */
function jsonOf(result: ToolResult): JsonValue {
  if (result.structuredContent) return storableValue(result.structuredContent as JsonObject)
  const others = result.content.filter((block) => (block as { type?: unknown }).type !== 'text')
  return storableValue({ text: textOf(result), content: others } as JsonObject)
}

function textOf(result: ToolResult): string {
  const texts = result.content.flatMap((block) => {
    const { type, text } = block as { type?: unknown; text?: unknown }
    return type === 'text' && typeof text === 'string' ? [text] : []
  })
  return texts.join('\n')
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
  looking: Limits & { key: string },
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
    const result = outputOf(declared.tool, await call(deps, reading, looking))
    const verdict = evaluateExpression(declared.applied_if, { ...scope, result })
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
