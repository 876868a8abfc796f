/**
 * The functions and operators that expressions may use: CEL as cel-js has it, minus what depends on the machine,
 * plus arithmetic between JSON numbers (doubles) and integer literals.
 *
 * cel-js cannot replace an overload that it ships. The replacements below are therefore registered under the name with
 * an underscore, and `guardTree` renames the calls.
 */
import './cel-date-fix.ts'
import { Environment, EvaluationError } from '@marcbachmann/cel-js'
import { registerJson } from './cel-json.ts'
import { durationToText } from './cel-result.ts'
import { nameOnce } from './cel-work.ts'

/** Depth and size of one expression are bounded so that no expression can exhaust the stack of its evaluator. */
const MAX_NODES = 1_000
/** Callers use a handful of name sets; the bound only keeps a mistake from becoming a leak. */
const MAX_ENVIRONMENTS = 50
/** No sensible duration is longer, and the library's pattern takes cubic time on a long row of digits. */
const MAX_DURATION_LENGTH = 40
/** How far down the library looks to name the type of a value; below that everything fits everything. */
const MAX_TYPE_DEPTH = 6
const MAX_TEXT_LENGTH = 4 * 1024 * 1024
const DAY_MS = 86_400_000
/** Without an offset `new Date` reads local time, which is another instant on another worker. */
const TIMESTAMP_PATTERN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/

interface Evaluator {
  debugType: (value: unknown) => unknown
  debugTypeDeep: (value: unknown) => unknown
}

export const REPLACED_FUNCTIONS = new Map([
  ['timestamp', 'timestamp_'],
  ['duration', 'duration_'],
])
export const REPLACED_METHODS = new Map([
  ['getDayOfYear', 'getDayOfYear_'],
  ['join', 'join_'],
])

const base = createBaseEnvironment()
const environments = new Map<string, Environment>()

/** The environment in which exactly these variables exist; their order does not matter. */
export function environmentFor(variables: readonly string[]): { key: string; environment: Environment } {
  const names = [...new Set(variables)].sort()
  const key = names.join(',')
  const known = environments.get(key)
  if (known !== undefined) return { key, environment: known }
  const environment = base.clone()
  for (const name of names) environment.registerVariable(name, 'dyn')
  boundTypes(environment)
  if (environments.size >= MAX_ENVIRONMENTS) environments.clear()
  environments.set(key, environment)
  return { key, environment }
}

/** True for names of the language itself, such as `int` or `optional`. */
export function isBuiltIn(name: string): boolean {
  return base.hasVariable(name)
}

/**
 * The library keeps every type it has ever named, and the name of a nested value is as long as the nesting is deep:
 * without a bound, five values of 20 KB nested 3,000 deep cost 680 MB for good [measured].
 */
function boundTypes(environment: Environment): void {
  const probe = environment.parse('true')
  const setMeta: unknown = Reflect.get(probe.ast, 'setMeta')
  if (typeof setMeta !== 'function') throw new Error('cel-js has changed: its nodes have no setMeta')
  Reflect.apply(setMeta, probe.ast, [
    'evaluate',
    (evaluator: Evaluator) => {
      const nameType = evaluator.debugTypeDeep
      let depth = 0
      evaluator.debugTypeDeep = (value) => {
        if (depth >= MAX_TYPE_DEPTH) return evaluator.debugType(value)
        return nameOnce(value, depth === 0, () => {
          depth += 1
          try {
            return nameType.call(evaluator, value)
          } finally {
            depth -= 1
          }
        })
      }
      return true
    },
  ])
  probe({})
}

function createBaseEnvironment(): Environment {
  const environment = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: { maxAstNodes: MAX_NODES },
  })
  registerMixedNumbers(environment)
  registerTime(environment)
  registerText(environment)
  registerJson(environment)
  return environment
}

function registerMixedNumbers(environment: Environment): void {
  const operations: Record<string, (left: number, right: number) => number> = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
    '%': (left, right) => left % right,
  }
  for (const [operator, apply] of Object.entries(operations)) {
    environment.registerOperator(`int ${operator} double`, (left: bigint, right: number) =>
      apply(doubleOf(left), right),
    )
    environment.registerOperator(`double ${operator} int`, (left: number, right: bigint) =>
      apply(left, doubleOf(right)),
    )
  }
  environment.registerOperator('double % double', (left: number, right: number) => left % right)
  environment.registerOperator('int == double', (left: bigint, right: number) => Number(left) === right)
}

/** Where it would be rounded, a difference of two large numbers would look exact. */
function doubleOf(whole: bigint): number {
  const double = Number(whole)
  if (Number.isSafeInteger(double)) return double
  throw failure('not_exact', `The whole number ${whole} is too large to be mixed with decimals`)
}

function registerTime(environment: Environment): void {
  const type = 'google.protobuf.Timestamp'
  environment.registerFunction(`timestamp_(string): ${type}`, timestampFromText)
  environment.registerFunction(`timestamp_(int): ${type}`, timestampFromSeconds)
  environment.registerFunction(`timestamp_(double): ${type}`, timestampFromSeconds)
  environment.registerFunction(`timestamp_(${type}): ${type}`, (date: Date) => date)
  environment.registerFunction(`${type}.getDayOfYear_(): int`, dayOfYear)
  environment.registerFunction(`string(${type}): string`, (date: Date) => date.toISOString())

  const parseDuration = new Environment().registerVariable('text', 'string').parse('duration(text)')
  environment.registerFunction('duration_(string): google.protobuf.Duration', (text: string) => {
    if (text.length > MAX_DURATION_LENGTH)
      throw failure('invalid_duration', 'The text of a duration is too long')
    return parseDuration({ text })
  })
  environment.registerFunction('string(google.protobuf.Duration): string', durationToText)
}

function registerText(environment: Environment): void {
  environment.registerFunction('list.join_(): string', (list: Iterable<unknown>) => joinTexts(list, ''))
  environment.registerFunction('list.join_(string): string', joinTexts)
  // JSON numbers are doubles, and the library takes only integers here.
  environment.registerFunction('string.substring(double): string', substring)
  for (const types of ['double, double', 'int, double', 'double, int']) {
    environment.registerFunction(`string.substring(${types}): string`, substring)
  }
}

function timestampFromText(text: string): Date {
  const date = new Date(TIMESTAMP_PATTERN.test(text) ? text : Number.NaN)
  if (Number.isNaN(date.getTime())) {
    throw failure(
      'invalid_timestamp',
      'timestamp() needs a date and time with an offset, such as 2026-01-31T09:30:00Z',
    )
  }
  return date
}

function timestampFromSeconds(seconds: bigint | number): Date {
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) {
    throw failure('invalid_timestamp', 'timestamp() needs seconds since 1970 within the years 1 to 9999')
  }
  return date
}

/** Counted from 0, as CEL does. */
function dayOfYear(date: Date): bigint {
  const startMs = new Date(date).setUTCMonth(0, 1)
  return BigInt(Math.round((date.getTime() - startMs) / DAY_MS))
}

/** Checks the length before the text exists: a list may hold the same long text many times. */
function joinTexts(list: Iterable<unknown>, separator: string): string {
  const texts: string[] = []
  let length = 0
  for (const text of list) {
    if (typeof text !== 'string') throw failure('invalid_list_element_type', 'join() needs a list of texts')
    texts.push(text)
    length += text.length + separator.length
    if (length > MAX_TEXT_LENGTH) throw failure('value_too_large', 'join() would make a text over 4 MB')
  }
  return texts.join(separator)
}

function substring(text: string, start: bigint | number, end: bigint | number = text.length): string {
  const from = Number(start)
  const to = Number(end)
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > text.length) {
    throw failure(
      'index_out_of_range',
      `substring(${from}, ${to}) is outside a text of length ${text.length}`,
    )
  }
  return text.substring(from, to)
}

function failure(code: string, message: string): EvaluationError {
  return new EvaluationError({ code, message })
}
