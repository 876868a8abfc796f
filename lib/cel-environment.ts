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
import { indexOf, lastIndexOf, split, substring } from './cel-text.ts'
import { durationFromText, durationText, timeFromSeconds, timeFromText, timeText } from './cel-time.ts'
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

interface Evaluator {
  debugType: (value: unknown) => unknown
  debugTypeDeep: (value: unknown) => unknown
  mapType: unknown
  objectTypesByConstructor: Pick<ReadonlyMap<unknown, unknown>, 'get'>
}

export const REPLACED_FUNCTIONS = new Map([
  ['timestamp', 'timestamp_'],
  ['duration', 'duration_'],
])
export const REPLACED_METHODS = new Map([
  ['getDayOfYear', 'getDayOfYear_'],
  ['indexOf', 'indexOf_'],
  ['join', 'join_'],
  ['lastIndexOf', 'lastIndexOf_'],
  ['split', 'split_'],
  ['substring', 'substring_'],
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
      readNamesAsData(evaluator)
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

/**
 * The library asks a value for its `constructor` to see what it is. Where a name of an object is that word, the answer is
 * data, and the object is a map like any other.
 */
function readNamesAsData(evaluator: Evaluator): void {
  const known = evaluator.objectTypesByConstructor
  const map = { type: evaluator.mapType }
  evaluator.objectTypesByConstructor = {
    get: (maker) => (typeof maker === 'function' || maker === undefined ? known.get(maker) : map),
  }
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
  environment.registerFunction(`timestamp_(string): ${type}`, ours(timeFromText))
  environment.registerFunction(`timestamp_(int): ${type}`, ours(timeFromSeconds))
  environment.registerFunction(`timestamp_(double): ${type}`, ours(timeFromSeconds))
  environment.registerFunction(`timestamp_(${type}): ${type}`, (date: Date) => date)
  environment.registerFunction(`${type}.getDayOfYear_(): int`, dayOfYear)
  environment.registerFunction(`string(${type}): string`, ours(timeText))

  environment.registerFunction('duration_(string): google.protobuf.Duration', (text: string) => {
    if (text.length > MAX_DURATION_LENGTH)
      throw failure('invalid_duration', 'The text of a duration is too long')
    return durationFromText(text)
  })
  environment.registerFunction('string(google.protobuf.Duration): string', ours(durationText))
}

/** The library notes something on a function that it is given, and exports of preloaded modules are frozen. */
function ours<Parameters extends unknown[], Result>(handler: (...parameters: Parameters) => Result) {
  return (...parameters: Parameters): Result => handler(...parameters)
}

function registerText(environment: Environment): void {
  environment.registerFunction('list.join_(): string', (list: Iterable<unknown>) => joinTexts(list, ''))
  environment.registerFunction('list.join_(string): string', joinTexts)
  environment.registerFunction('string.indexOf_(string): int', ours(indexOf))
  environment.registerFunction('string.lastIndexOf_(string): int', ours(lastIndexOf))
  environment.registerFunction('string.split_(string): list<string>', ours(split))
  // JSON numbers are doubles, and the library takes only integers.
  for (const type of ['int', 'double']) {
    environment.registerFunction(`string.indexOf_(string, ${type}): int`, ours(indexOf))
    environment.registerFunction(`string.lastIndexOf_(string, ${type}): int`, ours(lastIndexOf))
    environment.registerFunction(`string.split_(string, ${type}): list<string>`, ours(split))
    environment.registerFunction(`string.substring_(${type}): string`, ours(substring))
    for (const end of ['int', 'double'])
      environment.registerFunction(`string.substring_(${type}, ${end}): string`, ours(substring))
  }
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

function failure(code: string, message: string): EvaluationError {
  return new EvaluationError({ code, message })
}
