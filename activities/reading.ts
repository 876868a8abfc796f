/**
 * What every look at a call begins with, whether it is made at the door or in a dry run: which operation it is, which
 * policies there are, what they can name of it, and whether they let it be read.
 */
import type { CallFactsRow } from '../db/queries/call-facts.ts'
import type { JsonObject } from '../lib/json.ts'
import { ruleOn, type CallFacts } from '../lib/policy.ts'
import { assertStorable } from '../lib/storable.ts'
import { durationMs } from '../schemas/common.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Call, Preview } from '../schemas/run.ts'
import type { Described, Operation } from './executors/executor.ts'

export type Policies = Parameters<typeof ruleOn>[0]

export function operationOf<Looker>(
  executors: Record<'mcp' | 'postgres', Looker>,
  call: Pick<Call, 'organization' | 'connection' | 'operation' | 'arguments'>,
  context: CallFactsRow,
): { operation: Operation; executor: Looker; timeoutMs: number } {
  const spec = context.connection?.body.spec
  if (!spec)
    throw new CodedError('CONNECTION_NOT_FOUND', `${call.organization} has no connection ${call.connection}`)
  const { organization, connection, operation } = call
  assertStorable(call.arguments, 'arguments')
  return {
    operation: { organization, connection, spec, operation, arguments: call.arguments },
    executor: executors[spec.type],
    timeoutMs: durationMs(spec.timeout),
  }
}

export function policiesOf({ policies }: CallFactsRow): Policies {
  return policies.map(({ body }) => ({ name: body.name, spec: body.spec }))
}

export function factsOf(
  {
    operation,
    executor,
    described,
  }: { operation: Operation; executor: { name: string }; described: Described },
  automation: string,
  classOfCall: 'read' | 'write',
): Omit<CallFacts, 'requester'> {
  return {
    connection: operation.connection,
    operation: operation.operation,
    executor: executor.name,
    automation,
    class: classOfCall,
    ...described.facts,
  }
}

/** A reading waits for nobody: a rule that asks for approval of one refuses it. Throws POLICY_DENIED. */
export function assertMayRead(policies: Policies, facts: CallFacts): void {
  const ruling = ruleOn(policies, facts)
  if (ruling.effect === 'allow') return
  const rule =
    ruling.effect === 'deny' ? ruling.rule : `${ruling.requirement.policy}/${ruling.requirement.rule}`
  throw new CodedError('POLICY_DENIED', `${facts.connection}.${facts.operation}: rule ${rule}`)
}

/** Throws TOOL_CHANGED. Only what an automation's revision was saved with may write. */
export function assertDefinitionUnchanged(
  call: Pick<Call, 'connection' | 'operation'>,
  now: string | null,
  before: string | null,
): void {
  if (now === null || now === before) return
  const change = `${before?.slice(0, 12) ?? 'not pinned'} → ${now.slice(0, 12)}`
  throw new CodedError('TOOL_CHANGED', `${call.connection}.${call.operation}: definition ${change}`)
}

/** What people see. `seen`: what the target showed when the write was planned. */
export function previewOf(
  { connection, operation }: Pick<Operation, 'connection' | 'operation'>,
  executor: { name: string },
  { target, after }: Described,
  seen: { before: JsonObject; guard: Preview['guard'] },
): Preview {
  const changes = Object.entries(after).map(([field, value]) => ({
    field,
    before: seen.before[field] ?? null,
    after: value,
  }))
  return { executor: executor.name, connection, operation, target, changes, guard: seen.guard }
}

/** A tool counts as a write until somebody says that it reads: whoever wanted to read learns here what to say. */
export function deniedText(rule: string, { connection, operation, spec }: Operation): string {
  const denied = `rule ${rule} denies it`
  if (spec.type !== 'mcp') return denied
  const settings = Object.hasOwn(spec.tools, operation) ? spec.tools[operation] : undefined
  if (settings?.class !== undefined) return denied
  return (
    `${denied}; connection ${connection} does not say of ${operation} what it is, so it counts as a write: ` +
    `if it only reads, say \`class: read\` of it under \`tools\` of the connection`
  )
}
