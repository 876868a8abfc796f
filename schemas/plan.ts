/** Compiles an automation revision to the plan that a run carries. Pure: the same revision gives the same plan. */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { durationMs } from './common.ts'
import type { AutomationSpec, SqlUpdate, StepManifest } from './manifests.ts'
import type { Plan, PlanStep } from './run.ts'

export function compilePlan(automation: string, revision: number, spec: AutomationSpec): Plan {
  return { automation, revision, steps: spec.steps.map(compileStep) }
}

function compileStep(step: StepManifest): PlanStep {
  const common = { name: step.name, ...(step.if === undefined ? {} : { if: step.if }) }
  if ('return' in step) return { type: 'return', ...common, value: step.return as JsonValue }
  const timeoutMs = durationMs(step.timeout)
  if ('writeback' in step) {
    const { connection, update } = step.writeback
    const call = { connection, operation: 'update', arguments: updateArguments(update), raisedToWrite: true }
    return { type: 'writeback', ...common, timeoutMs, call }
  }
  const { connection, tool, arguments: toolArguments, class: declaredClass } = step.tool_call
  const call = {
    connection,
    operation: tool,
    arguments: toolArguments as JsonObject,
    raisedToWrite: declaredClass === 'write',
  }
  return { type: 'call', ...common, timeoutMs, call }
}

function updateArguments(update: SqlUpdate): JsonObject {
  const { table, key, guard, set } = update
  return { table, key: key as JsonObject, guard: guard as JsonObject, set: set as JsonObject }
}
