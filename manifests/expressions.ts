/** Expressions of a manifest, before anything runs: they parse, and name what exists by then. */
import { checkExpression, evaluateExpression } from '../lib/cel.ts'
import { meantFunction } from '../lib/cel-functions.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { templateExpressions } from '../lib/templates.ts'
import { CodedError } from '../schemas/errors.ts'
import { POLICY_VARIABLES } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { place, unknownName } from './document.ts'
import { EVENT_SHAPE, gapIn, stepShape, type Gap } from './shapes.ts'

export interface ExpressionScope {
  variables: readonly string[]
  /** Names of steps that have run by then. */
  earlierSteps: readonly string[]
  /** Why the name of another step cannot be named here; undefined if there is none. */
  hidden: (name: string) => string | undefined
  /** What is known of a variable, or of a step by its name. */
  shapes?: Readonly<Record<string, JsonObject>>
  stepShapes?: (name: string) => JsonObject
}

const NONE = (): undefined => undefined

export const STEP_VARIABLES = ['input', 'steps', 'run'] as const
export const TRIGGER_SCOPE: ExpressionScope = {
  variables: ['event'],
  earlierSteps: [],
  hidden: NONE,
  shapes: { event: EVENT_SHAPE },
}
export const POLICY_SCOPE: ExpressionScope = {
  variables: POLICY_VARIABLES,
  earlierSteps: [],
  hidden: NONE,
}

/** Of `check` of a tool: for the arguments of the reading, and for what its result says. */
export const CHECK_SCOPE: ExpressionScope = {
  variables: ['arguments', 'key'],
  earlierSteps: [],
  hidden: NONE,
}
export const CHECK_RESULT_SCOPE: ExpressionScope = {
  ...CHECK_SCOPE,
  variables: [...CHECK_SCOPE.variables, 'result'],
}

/** `offset`: where the expression begins in the text that people wrote. */
export function expressionPlaces(
  path: string,
  source: string,
  scope: ExpressionScope,
  offset = 0,
): ProblemPlace[] {
  if (source.trimStart().startsWith('${{')) {
    return [place('expression', path, 'is an expression as it is', 'Write it without `${{` and `}}`.')]
  }
  const checked = checkExpression(source, scope.variables)
  if (!checked.ok) {
    const { message, position } = checked
    const meant = meantFunction(message)
    const told = position ? `${message} (character ${offset + position.start + 1} of it)` : message
    return [place('expression', path, told, meant && `Did you mean \`${meant}\`?`)]
  }
  if (checked.references.length === 0) return constantPlaces(path, source)
  const { references, optional } = checked
  return references.flatMap((reference) => referencePlaces(path, reference, { scope, optional }))
}

/** What names no variable does the same in every run: here too. */
function constantPlaces(path: string, source: string): ProblemPlace[] {
  try {
    evaluateExpression(source, {})
    return []
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return [place('expression', path, error.message)]
  }
}

/** All `${{ … }}` in a value. */
export function templatePlaces(path: string, value: JsonValue, scope: ExpressionScope): ProblemPlace[] {
  try {
    return templateExpressions(value).flatMap((expression) => {
      const separator = expression.path === '' || expression.path.startsWith('[') ? '' : '.'
      return expressionPlaces(
        `${path}${separator}${expression.path}`,
        expression.source,
        scope,
        expression.offset,
      )
    })
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return [place('expression', path, error.message)]
  }
}

function referencePlaces(
  path: string,
  reference: readonly string[],
  { scope, optional }: { scope: ExpressionScope; optional: readonly string[][] },
): ProblemPlace[] {
  const [variable = '', step] = reference
  const asked = new Set(optional.map((one) => JSON.stringify(one)))
  const mayLack = (part: readonly string[], prefix: readonly string[] = []) =>
    asked.has(JSON.stringify([...prefix, ...part]))
  if (variable !== 'steps') {
    const gap = gapIn(scope.shapes?.[variable] ?? {}, reference, mayLack)
    return gap ? [gapPlace(path, gap)] : []
  }
  if (step === undefined) return []
  if (!scope.earlierSteps.includes(step)) {
    const why = scope.hidden(step)
    if (why !== undefined) return [place('unknown-reference', path, why)]
    return [unknownName(path, `there is no step \`${step}\``, step, scope.earlierSteps)]
  }
  const shape = scope.stepShapes?.(step) ?? stepShape(undefined)
  const gap = gapIn(shape, reference.slice(1), (part) => mayLack(part, ['steps']))
  return gap ? [gapPlace(path, { ...gap, parent: ['steps', ...gap.parent] })] : []
}

function gapPlace(path: string, { parent, segment, names, type }: Gap): ProblemPlace {
  const whole = `\`${parent.join('.').replace(/\.(\d+)(?=\.|$)/g, '[$1]')}\``
  if (names !== undefined) return unknownName(path, `${whole} has no \`${segment}\``, segment, names)
  if (type === 'array')
    return place(
      'unknown-reference',
      path,
      `${whole} is a list and has no \`${segment}\``,
      'Name an element, such as `[0]`.',
    )
  return place(
    'unknown-reference',
    path,
    `${whole} is of type ${type} and has no \`${segment}\``,
    `End the reference at ${whole}.`,
  )
}
