/**
 * The steps of an automation, those inside of others too: names, references, limits, and what each kind asks for. The
 * rules of names and scope are those of schemas/steps.ts.
 */
import { MAX_BLOCK_DEPTH, LIMITS } from '../lib/limits.ts'
import { compileSchema } from '../lib/json-schema.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { wholeTemplate } from '../lib/templates.ts'
import { isErrorCode } from '../schemas/errors.ts'
import type { StepManifest } from '../schemas/manifests.ts'
import type { AskStepManifest } from '../schemas/steps.ts'
import { untilExpression } from '../schemas/plan.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { allSteps, blocksOf, type Block } from '../schemas/step-tree.ts'
import { argumentPlaces } from './arguments.ts'
import { place } from './document.ts'
import { STEP_VARIABLES, templatePlaces, type ExpressionScope } from './expressions.ts'
import { typedExpressionPlaces } from './kinds.ts'
import { connectionNamePlaces, noAutomation, type Known } from './known.ts'
import { RUN_SHAPE, stepShape } from './shapes.ts'
import { writebackPlaces } from './writebacks.ts'

export interface StepContext extends Known {
  scope: ExpressionScope
}

/** Where a list of steps stands. */
interface Standing extends Known {
  /** Names that its steps see from outside. */
  visible: readonly string[]
  /** Names of the steps around it. */
  around: readonly string[]
  variables: readonly string[]
  /** The step in which a `return` would be a race. */
  race: string | null
  /** The blocks it is inside of, from the outside in, such as `fan.left`. */
  home: readonly string[]
  /** Names that stand anywhere, each with the blocks it is inside of. */
  homes: ReadonlyMap<string, readonly string[]>
  /** What is known of each step whose name no other step has. */
  stepShapes: ReadonlyMap<string, JsonObject>
  shapes: Readonly<Record<string, JsonObject>>
}

/** `input` is the schema of what a run is given. */
export function stepsPlaces(
  path: string,
  { steps, input = {} }: { steps: readonly StepManifest[]; input?: JsonObject | undefined },
  known: Known,
): ProblemPlace[] {
  const count = countOutsideLoops(steps)
  const homes = new Map<string, readonly string[]>()
  noteHomes(steps, [], homes)
  const top = {
    ...known,
    visible: [],
    around: [],
    variables: STEP_VARIABLES,
    race: null,
    home: [],
    homes,
    stepShapes: stepShapesIn(steps),
    shapes: { input, run: RUN_SHAPE, index: { type: 'integer' } },
  }
  return [
    ...(count > LIMITS.stepsPerRun
      ? [place('limit', path, `has ${count} steps outside of loops; a run takes ${LIMITS.stepsPerRun}`)]
      : []),
    ...listPlaces(path, steps, top),
  ]
}

function listPlaces(path: string, steps: readonly StepManifest[], standing: Standing): ProblemPlace[] {
  const names = steps.map((step) => step.name)
  return steps.flatMap((step, index) => {
    const at = `${path}[${index}]`
    const earlier = names.slice(0, index)
    const scope = scopeOf(standing, [...standing.visible, ...earlier])
    return [
      ...namePlaces(`${at}.name`, step.name, { earlier, standing }),
      ...(step.if === undefined
        ? []
        : typedExpressionPlaces(`${at}.if`, step.if, { scope, kind: 'condition' })),
      ...stepPlaces(at, step, { ...standing, scope }),
      ...blocksOf(step).flatMap((block) => blockPlaces(at, step, block, { standing, scope })),
    ]
  })
}

function scopeOf(standing: Standing, earlierSteps: string[]): ExpressionScope {
  return {
    variables: standing.variables,
    earlierSteps,
    hidden: (name) => whyHidden(standing, name),
    shapes: standing.shapes,
    stepShapes: (name) => standing.stepShapes.get(name) ?? stepShape(undefined),
  }
}

function whyHidden({ home, homes, around }: Standing, name: string): string | undefined {
  const other = homes.get(name)
  if (other === undefined) return undefined
  const apart = other.findIndex((block, depth) => home[depth] !== block)
  if (apart < 0) return `step \`${name}\` comes later, or is this one`
  const [step = ''] = (other[apart] ?? '').split(/[.[]/)
  return around.includes(step)
    ? `step \`${name}\` is in another branch of \`${step}\``
    : `step \`${name}\` is inside \`${step}\`, of which only the output can be named here`
}

function namePlaces(
  path: string,
  name: string,
  { earlier, standing }: { earlier: readonly string[]; standing: Standing },
): ProblemPlace[] {
  if (earlier.includes(name)) return [place('duplicate-name', path, `there is a step \`${name}\` already`)]
  if (!standing.visible.includes(name) && !standing.around.includes(name)) return []
  return [place('duplicate-name', path, `there is a step \`${name}\` around or before this block already`)]
}

function blockPlaces(
  at: string,
  step: StepManifest,
  block: Block,
  { standing, scope }: { standing: Standing; scope: ExpressionScope },
): ProblemPlace[] {
  const path = `${at}.${block.at}`
  const around = [...standing.around, step.name]
  if (around.length > MAX_BLOCK_DEPTH) return [place('limit', path, `is over ${MAX_BLOCK_DEPTH} blocks deep`)]
  return listPlaces(path, block.steps, {
    ...standing,
    around,
    home: [...standing.home, step.name + block.key],
    visible: scope.earlierSteps,
    variables: block.isLoop ? [...new Set([...standing.variables, 'item', 'index'])] : standing.variables,
    race: 'choose' in step ? standing.race : block.isLoop ? 'for_each' : 'parallel',
  })
}

function stepPlaces(path: string, step: StepManifest, context: StepContext & Standing): ProblemPlace[] {
  const { scope } = context
  if ('tool_call' in step) {
    const { connection, arguments: args } = step.tool_call
    return [
      ...connectionNamePlaces(`${path}.tool_call.connection`, connection, 'mcp', context),
      ...callArgumentPlaces(`${path}.tool_call.arguments`, args as JsonObject | string, scope),
      ...keyArgumentPlaces(`${path}.tool_call.arguments`, step.tool_call, context),
    ]
  }
  if ('writeback' in step) return writebackPlaces(`${path}.writeback`, step.writeback, context)
  if ('run_automation' in step) return runAutomationPlaces(`${path}.run_automation`, step, context)
  if ('choose' in step) {
    return step.choose.branches.flatMap(({ when }, index) =>
      typedExpressionPlaces(`${path}.choose.branches[${index}].when`, when, { scope, kind: 'condition' }),
    )
  }
  if ('for_each' in step) {
    return typedExpressionPlaces(`${path}.for_each.items`, step.for_each.items, { scope, kind: 'list' })
  }
  return endPlaces(path, step, context)
}

/** What the connection sends in an argument of its own cannot also be said by a step. */
function keyArgumentPlaces(
  path: string,
  { connection, tool, arguments: args }: { connection: string; tool: string; arguments: object | string },
  { connections }: Known,
): ProblemPlace[] {
  const spec = connections.get(connection)
  const tools = spec?.type === 'mcp' ? spec.tools : {}
  const key = Object.hasOwn(tools, tool) ? tools[tool]?.key_argument : undefined
  if (key === undefined || typeof args === 'string' || !Object.hasOwn(args, key)) return []
  const message = `is where connection \`${connection}\` puts the key of the write (\`key_argument\`)`
  return [
    place('argument', `${path}.${key}`, message, 'Leave it out, or name another one in the connection.'),
  ]
}

function callArgumentPlaces(path: string, args: JsonObject | string, scope: ExpressionScope): ProblemPlace[] {
  const places = templatePlaces(path, args, scope)
  if (places.length > 0 || typeof args !== 'string') return places
  const source = wholeTemplate(args)
  if (source !== undefined) return typedExpressionPlaces(path, source, { scope, kind: 'object' })
  return [place('wrong-kind', path, 'must be an object, or one `${{ … }}` that gives one')]
}

function endPlaces(
  path: string,
  step: StepManifest,
  { scope, race }: Standing & StepContext,
): ProblemPlace[] {
  if ('ask' in step) return askPlaces(`${path}.ask`, step, scope)
  if ('sleep' in step) {
    if ('for' in step.sleep) return []
    const until = untilExpression(step.sleep.until)
    return typedExpressionPlaces(`${path}.sleep.until`, until, { scope, kind: 'time' })
  }
  if ('return' in step) {
    const hint = 'The output of the last step is that of the block.'
    return [
      ...(race === null
        ? []
        : [place('misplaced-return', `${path}.return`, `ends the run; inside ${race} it is a race`, hint)]),
      ...templatePlaces(`${path}.return`, step.return as JsonValue, scope),
    ]
  }
  if (!('fail' in step)) return []
  const { code, message } = step.fail
  return [
    ...(isErrorCode(code)
      ? [place('reserved-code', `${path}.fail.code`, `${code} has a meaning already; choose another`)]
      : []),
    ...templatePlaces(`${path}.fail.message`, message, scope),
  ]
}

function askPlaces(path: string, { ask }: AskStepManifest, scope: ExpressionScope): ProblemPlace[] {
  const form = compileSchema(ask.form as JsonObject)
  return [
    ...templatePlaces(`${path}.title`, ask.title, scope),
    ...templatePlaces(`${path}.markdown`, ask.markdown, scope),
    ...(form.ok
      ? []
      : [place('json-schema', `${path}.form`, `is not a usable JSON Schema: ${form.message}`)]),
  ]
}

function runAutomationPlaces(
  path: string,
  { run_automation: { automation, input } }: Extract<StepManifest, { run_automation: unknown }>,
  context: StepContext,
): ProblemPlace[] {
  const inputSchema = context.automations.get(automation)?.input
  return [
    ...noAutomation(`${path}.automation`, automation, context),
    ...templatePlaces(`${path}.input`, input as JsonObject, context.scope),
    ...argumentPlaces(`${path}.input`, input as JsonObject, inputSchema as JsonObject | undefined),
  ]
}

function countOutsideLoops(steps: readonly StepManifest[]): number {
  const inside = steps.flatMap((step) => blocksOf(step).filter((block) => !block.isLoop))
  return inside.reduce((sum, block) => sum + countOutsideLoops(block.steps), steps.length)
}

function stepShapesIn(steps: readonly StepManifest[]): Map<string, JsonObject> {
  const all = allSteps('', steps).map(({ step }) => step)
  const times = new Map<string, number>()
  for (const { name } of all) times.set(name, (times.get(name) ?? 0) + 1)
  return new Map(all.filter(({ name }) => times.get(name) === 1).map((step) => [step.name, stepShape(step)]))
}

function noteHomes(
  steps: readonly StepManifest[],
  home: readonly string[],
  homes: Map<string, readonly string[]>,
): void {
  for (const step of steps) {
    if (!homes.has(step.name)) homes.set(step.name, home)
    for (const block of blocksOf(step)) noteHomes(block.steps, [...home, step.name + block.key], homes)
  }
}
