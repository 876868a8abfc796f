/**
 * The tools that automations call, as their servers describe them now: they exist, literal arguments fit, and the hash
 * of each definition is pinned to the revision. A run refuses a writing tool that has changed since.
 */
import type { ErrorObject } from 'ajv'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { InspectedTool } from '../deps.ts'
import { pathText } from '../errors.ts'
import { compileSchema, messageOf, pointerParts } from '../json-schema.ts'
import { unknownName, type Document } from './document.ts'

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
  for (const { index, call } of toolCalls(manifest.spec)) {
    const at = `${path}.spec.steps[${index}].tool_call`
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
    places.push(...argumentPlaces(`${at}.arguments`, call.arguments as JsonObject, tool.inputSchema))
  }
  return { places, pins }
}

function toolCalls(spec: AutomationSpec) {
  return spec.steps.flatMap((step, index) => ('tool_call' in step ? [{ index, call: step.tool_call }] : []))
}

/** A schema that cannot be used is the server's matter: it is told when the tool is called. */
function argumentPlaces(path: string, args: JsonObject, inputSchema: JsonObject): ProblemPlace[] {
  const schema = compileSchema(inputSchema)
  if (!schema.ok) return []
  const templated = Object.keys(args).filter((name) => holdsTemplate(args[name] ?? null))
  return schema
    .errorsOf(args)
    .filter((error) => isAboutLiterals(error, templated))
    .map((error) => ({ path: pathText(path, pointerParts(error.instancePath)), message: messageOf(error) }))
}

/** What a template becomes is not known yet, so an error counts only if no template can make it go away. */
function isAboutLiterals(error: ErrorObject, templated: readonly string[]): boolean {
  if (templated.length === 0) return true
  const [name] = pointerParts(error.instancePath)
  if (name !== undefined) return !templated.includes(String(name)) && !dependsOnOthers(error)
  return error.keyword === 'required' || error.keyword === 'additionalProperties'
}

/** Inside branches of the whole, such as `anyOf`, another argument may decide which branch holds. */
function dependsOnOthers(error: ErrorObject): boolean {
  return !error.schemaPath.startsWith('#/properties/') && !error.schemaPath.startsWith('#/$defs/')
}

function holdsTemplate(value: JsonValue): boolean {
  return JSON.stringify(value).includes('${{')
}
