/**
 * The tools that automations call, as their servers describe them now: they exist, literal arguments fit, and the hash
 * of each definition is pinned to the revision. A run refuses a writing tool that has changed since.
 */
import type { JsonObject } from '../../lib/json.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { InspectedTool } from '../deps.ts'
import { allSteps } from '../../schemas/step-tree.ts'
import { argumentPlaces } from '../../manifests/arguments.ts'
import { unknownName, type Document } from '../../manifests/document.ts'

/** Of connections by name. */
export type ToolsByConnection = ReadonlyMap<string, readonly InspectedTool[]>

export interface ToolFindings {
  places: ProblemPlace[]
  /** `<connection>/<tool>` to the hash of its definition. */
  pins: Record<string, string>
}

/** Names of the connections whose tools the automations call. */
export function calledConnections(automations: readonly Document<'Automation'>[]): string[] {
  const names = automations.flatMap(({ manifest }) =>
    toolCalls(manifest.spec).map(({ call }) => call.connection),
  )
  return [...new Set(names)].sort()
}

export function inspectAutomation(
  { path, manifest }: Document<'Automation'>,
  tools: ToolsByConnection,
): ToolFindings {
  const places: ProblemPlace[] = []
  const pins: Record<string, string> = {}
  for (const { at: place, call } of toolCalls(manifest.spec)) {
    const at = `${path}.${place}.tool_call`
    const offered = tools.get(call.connection) ?? []
    const tool = offered.find((candidate) => candidate.tool === call.tool)
    if (!tool) {
      const message = `connection \`${call.connection}\` has no tool \`${call.tool}\``
      places.push(
        unknownName(
          `${at}.tool`,
          message,
          call.tool,
          offered.map((candidate) => candidate.tool),
        ),
      )
      continue
    }
    pins[`${call.connection}/${call.tool}`] = tool.definitionSha256
    places.push(...argumentPlaces(`${at}.arguments`, call.arguments as JsonObject | string, tool.inputSchema))
  }
  return { places, pins }
}

function toolCalls(spec: AutomationSpec) {
  return allSteps('spec.steps', spec.steps).flatMap(({ at, step }) =>
    'tool_call' in step ? [{ at, call: step.tool_call }] : [],
  )
}
