/** An automation against itself and its connections: all that can be checked without asking a server. */
import { compileSchema } from '../lib/json-schema.ts'
import type { JsonObject } from '../lib/json.ts'
import type { AutomationSpec } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { argumentPlaces } from './arguments.ts'
import { cyclePlaces } from './cycles.ts'
import { place, type Document } from './document.ts'
import { expressionPlaces, templatePlaces, TRIGGER_SCOPE } from './expressions.ts'
import { typedExpressionPlaces } from './kinds.ts'
import { connectionNamePlaces, type Known } from './known.ts'
import { stepsPlaces } from './steps.ts'

export function automationPlaces({ path, manifest }: Document<'Automation'>, known: Known): ProblemPlace[] {
  const { spec } = manifest
  const specPath = `${path}.spec`
  return [
    ...inputPlaces(specPath, spec),
    ...triggerPlaces(specPath, spec, known),
    ...stepsPlaces(
      `${specPath}.steps`,
      { steps: spec.steps, input: spec.input as JsonObject | undefined },
      known,
    ),
    ...cyclePlaces(`${specPath}.steps`, manifest, known),
  ]
}

function inputPlaces(path: string, spec: AutomationSpec): ProblemPlace[] {
  if (spec.input === undefined) return []
  const schema = compileSchema(spec.input as JsonObject)
  return schema.ok
    ? []
    : [place('json-schema', `${path}.input`, `is not a usable JSON Schema: ${schema.message}`)]
}

function triggerPlaces(path: string, spec: AutomationSpec, known: Known): ProblemPlace[] {
  return spec.triggers.flatMap((trigger, index) => {
    const at = `${path}.triggers[${index}]`
    const { connection, filter, dedupe, input } = trigger
    return [
      ...connectionNamePlaces(`${at}.connection`, connection, 'mcp', known),
      ...(filter === undefined
        ? []
        : typedExpressionPlaces(`${at}.filter`, filter, { scope: TRIGGER_SCOPE, kind: 'condition' })),
      ...(dedupe === undefined ? [] : expressionPlaces(`${at}.dedupe`, dedupe, TRIGGER_SCOPE)),
      ...templatePlaces(`${at}.input`, input as JsonObject, TRIGGER_SCOPE),
      ...argumentPlaces(`${at}.input`, input as JsonObject, spec.input as JsonObject | undefined),
    ]
  })
}
