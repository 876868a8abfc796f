/** Expressions of a manifest, before anything runs: they parse, and name what exists by then. */
import { checkExpression, evaluateExpression } from '../lib/cel.ts'
import type { JsonValue } from '../lib/json.ts'
import { templateExpressions } from '../lib/templates.ts'
import { CodedError } from '../schemas/errors.ts'
import { POLICY_VARIABLES } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { place, unknownName } from './document.ts'

export interface ExpressionScope {
  variables: readonly string[]
  /** Names of steps that have run by then. */
  earlierSteps: readonly string[]
  /** Why the name of another step cannot be named here; undefined if there is none. */
  hidden: (name: string) => string | undefined
  /** Names of the branches of a `parallel`, which are those in its output; undefined for every other step. */
  branches?: (name: string) => readonly string[] | undefined
}

const NONE = (): undefined => undefined

export const STEP_VARIABLES = ['input', 'steps', 'run'] as const
export const TRIGGER_SCOPE: ExpressionScope = { variables: ['event'], earlierSteps: [], hidden: NONE }
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

const STEP_FIELDS = ['output', 'status', 'error', 'writeback']

export function expressionPlaces(path: string, source: string, scope: ExpressionScope): ProblemPlace[] {
  if (source.trimStart().startsWith('${{')) {
    return [place(path, 'is an expression as it is', 'Write it without `${{` and `}}`.')]
  }
  const checked = checkExpression(source, scope.variables)
  if (!checked.ok) {
    const { message, position } = checked
    return [place(path, position ? `${message} (character ${position.start + 1} of it)` : message)]
  }
  if (checked.references.length === 0) return constantPlaces(path, source)
  return checked.references.flatMap((reference) => referencePlaces(path, reference, scope))
}

/** What names no variable does the same in every run: here too. */
function constantPlaces(path: string, source: string): ProblemPlace[] {
  try {
    evaluateExpression(source, {})
    return []
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return [place(path, error.message)]
  }
}

/** All `${{ … }}` in a value. */
export function templatePlaces(path: string, value: JsonValue, scope: ExpressionScope): ProblemPlace[] {
  try {
    return templateExpressions(value).flatMap((expression) => {
      const separator = expression.path === '' || expression.path.startsWith('[') ? '' : '.'
      return expressionPlaces(`${path}${separator}${expression.path}`, expression.source, scope)
    })
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return [place(path, error.message)]
  }
}

function referencePlaces(path: string, reference: readonly string[], scope: ExpressionScope): ProblemPlace[] {
  const [variable, step, field, key] = reference
  if (variable !== 'steps' || step === undefined) return []
  if (!scope.earlierSteps.includes(step)) {
    const why = scope.hidden(step)
    if (why !== undefined) return [place(path, why)]
    return [unknownName(path, `there is no step \`${step}\``, step, scope.earlierSteps)]
  }
  const branches = scope.branches?.(step)
  if (field === 'output' && key !== undefined && branches && !branches.includes(key))
    return [unknownName(path, `\`${step}\` has no branch \`${key}\``, key, branches)]
  if (field === undefined || STEP_FIELDS.includes(field)) return []
  return [unknownName(path, `a step has no \`${field}\``, field, STEP_FIELDS)]
}
