/**
 * The tools that automations call, as their servers describe them now: they exist, literal arguments fit, and the hash
 * of each definition is pinned to the revision. A run refuses a writing tool that has changed since.
 */
import type { JsonObject } from '../../lib/json.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { InspectedTool, Inspection } from '../deps.ts'
import { allSteps } from '../../schemas/step-tree.ts'
import { argumentPlaces } from '../../manifests/arguments.ts'
import { ofKind, place, unknownName, type Document } from '../../manifests/document.ts'
import { gapIn } from '../../manifests/shapes.ts'
import { pathText } from '../../lib/path-text.ts'

/** Of connections by name. */
export type ToolsByConnection = ReadonlyMap<string, Inspection>

/** Of the tools that the automations call and the connections name, and of lists as a whole. */
export function warningsAbout(documents: readonly Document[], inspected: ToolsByConnection): ProblemPlace[] {
  const connections = ofKind(documents, 'Connection')
  const pathOf = (name: string) => connections.find(({ manifest }) => manifest.name === name)?.path ?? ''
  const named = new Set([
    ...ofKind(documents, 'Automation').flatMap(({ manifest }) =>
      toolCalls(manifest.spec).map(({ call }) => `${call.connection}/${call.tool}`),
    ),
    ...connections.flatMap(({ manifest: { name, spec } }) =>
      spec.type === 'mcp' ? Object.keys(spec.tools).map((tool) => `${name}/${tool}`) : [],
    ),
  ])
  return [...inspected].flatMap(([connection, { warnings }]) =>
    warnings
      .filter(({ tool }) => tool === null || named.has(`${connection}/${tool}`))
      .map(({ message }) => place('tool-list', pathOf(connection), `Connection ${connection}: ${message}`)),
  )
}

/** Names of the connections whose tools the automations call. */
export function calledConnections(automations: readonly Document<'Automation'>[]): string[] {
  const names = automations.flatMap(({ manifest }) =>
    toolCalls(manifest.spec).map(({ call }) => call.connection),
  )
  return [...new Set(names)].sort()
}

/** Whether the connection says something of tools that its server could deny. */
export function namesTools({ manifest: { spec } }: Document<'Connection'>): boolean {
  return spec.type === 'mcp' && Object.keys(spec.tools).length > 0
}

/** All that does not fit what those servers offer that were asked. */
export function toolPlaces(documents: readonly Document[], tools: ToolsByConnection): ProblemPlace[] {
  return [
    ...ofKind(documents, 'Automation').flatMap((document) => callPlaces(document, tools)),
    ...ofKind(documents, 'Connection').flatMap((document) => settingPlaces(document, tools)),
  ]
}

/** `<connection>/<tool>` to the hash of its definition. */
export function pinsOf(spec: AutomationSpec, tools: ToolsByConnection): Record<string, string> {
  const pins: Record<string, string> = {}
  for (const { call } of toolCalls(spec)) {
    const tool = tools.get(call.connection)?.tools.find((candidate) => candidate.tool === call.tool)
    if (tool) pins[`${call.connection}/${call.tool}`] = tool.definitionSha256
  }
  return pins
}

function callPlaces({ path, manifest }: Document<'Automation'>, tools: ToolsByConnection): ProblemPlace[] {
  return toolCalls(manifest.spec).flatMap(({ at, call }) => {
    const inside = `${path}.${at}.tool_call`
    const offered = tools.get(call.connection)?.tools
    if (!offered) return []
    const tool = offered.find((candidate) => candidate.tool === call.tool)
    if (!tool) return [noTool(`${inside}.tool`, call, offered)]
    return argumentPlaces(`${inside}.arguments`, call.arguments as JsonObject | string, tool.inputSchema)
  })
}

function settingPlaces(
  { path, manifest: { name, spec } }: Document<'Connection'>,
  tools: ToolsByConnection,
): ProblemPlace[] {
  const offered = tools.get(name)?.tools
  if (spec.type !== 'mcp' || !offered) return []
  return Object.entries(spec.tools).flatMap(([tool, { check, key_argument }]) => {
    const at = pathText(`${path}.spec.tools`, [tool])
    const found = offered.find((candidate) => candidate.tool === tool)
    if (!found) return [noTool(at, { connection: name, tool }, offered)]
    const reading = offered.find((candidate) => candidate.tool === check?.tool)
    const places =
      key_argument === undefined ? [] : keyArgumentPlaces(`${at}.key_argument`, key_argument, found)
    if (!check) return places
    if (!reading)
      return [...places, noTool(`${at}.check.tool`, { connection: name, tool: check.tool }, offered)]
    const args = check.arguments as JsonObject
    return [...places, ...argumentPlaces(`${at}.check.arguments`, args, reading.inputSchema)]
  })
}

/** An open schema takes any argument. */
function keyArgumentPlaces(path: string, name: string, { tool, inputSchema }: InspectedTool): ProblemPlace[] {
  const gap = gapIn(inputSchema, ['arguments', name], () => false)
  return gap?.names ? [unknownName(path, `\`${tool}\` takes no \`${name}\``, name, gap.names)] : []
}

function noTool(
  path: string,
  { connection, tool }: { connection: string; tool: string },
  offered: readonly InspectedTool[],
): ProblemPlace {
  const names = offered.map((candidate) => candidate.tool)
  return unknownName(path, `connection \`${connection}\` has no tool \`${tool}\``, tool, names)
}

function toolCalls(spec: AutomationSpec) {
  return allSteps('spec.steps', spec.steps).flatMap(({ at, step }) =>
    'tool_call' in step ? [{ at, call: step.tool_call }] : [],
  )
}
