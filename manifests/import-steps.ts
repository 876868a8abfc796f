/** Parts of imported steps: their options, what code asks of its context, and fields that have no place here. */
import type { JsonObject } from '../lib/json.ts'
import { stepNameOf } from '../lib/imported-names.ts'
import { nearestName } from '../lib/nearest-name.ts'
import { pathText } from '../lib/path-text.ts'
import type { DefinitionOptions } from '../schemas/workflow-definition.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { place } from './document.ts'

export interface Converted {
  step: JsonObject
  warnings: ProblemPlace[]
}

const MAX_ATTEMPTS = 10
const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

export function droppedFields(at: string, value: object, known: readonly string[]): ProblemPlace[] {
  return Object.keys(value)
    .filter((name) => !known.includes(name))
    .map((name) => place('import', pathText(at, [name]), 'is left out: it is no part of an automation'))
}

/** Without a time-out of its own a step has ours, an hour for each attempt. */
export function optionsOf(
  path: string,
  options: DefinitionOptions | undefined,
): { fields: JsonObject; warnings: ProblemPlace[] } {
  const { retries, timeout } = options ?? {}
  const warnings = [
    ...droppedFields(path, options ?? {}, ['retries', 'timeout']),
    ...droppedFields(`${path}.retries`, retries ?? {}, ['limit', 'delay', 'backoff']),
  ]
  const fields: JsonObject = {}
  const attempts = Math.min((retries?.limit ?? 0) + 1, MAX_ATTEMPTS)
  if (attempts > 1) {
    const delayMs = msOf(retries?.delay ?? 0)
    fields['retry'] = { max_attempts: attempts, backoff: durationText(delayMs ?? 10_000) }
    warnings.push(...retryWarnings(`${path}.retries`, retries ?? {}, attempts, delayMs))
  }
  const timeoutMs = timeout === undefined ? undefined : msOf(timeout)
  if (typeof timeoutMs === 'number' && timeoutMs >= 1) fields['timeout'] = durationText(timeoutMs)
  else if (timeout !== undefined)
    warnings.push(
      place('import', `${path}.timeout`, `is left out: ${JSON.stringify(timeout)} is no time; it is 1h here`),
    )
  return { fields, warnings }
}

function retryWarnings(
  path: string,
  { limit = 0, backoff = 'constant' }: NonNullable<DefinitionOptions['retries']>,
  attempts: number,
  delayMs: number | undefined,
): ProblemPlace[] {
  return [
    ...(limit >= MAX_ATTEMPTS
      ? [
          place(
            'import',
            `${path}.limit`,
            `becomes ${MAX_ATTEMPTS - 1}: a step has ${MAX_ATTEMPTS} attempts at most`,
          ),
        ]
      : []),
    ...(delayMs === undefined ? [place('import', `${path}.delay`, 'becomes 10s: it is no time')] : []),
    // With two attempts there is one wait, and nothing to grow; a wait of nothing does not grow either.
    ...(backoff !== 'exponential' && attempts > 2 && delayMs !== 0
      ? [
          place(
            'import',
            `${path}.backoff`,
            `${backoff} becomes exponential: here each wait is twice as long as the last`,
          ),
        ]
      : []),
  ]
}

const WORDS = /^(\d+) ?(ms|millisecond|second|minute|hour|day)s?$/

/** Milliseconds, or a text such as `10 seconds`; undefined for what is neither. */
function msOf(time: number | string | null): number | undefined {
  if (typeof time === 'number') return Math.round(time)
  const [, amount, unit = ''] = WORDS.exec(time ?? '') ?? []
  if (amount === undefined) return undefined
  const isMs = unit.startsWith('m') && unit !== 'minute'
  return Number(amount) * UNITS_MS[isMs ? 'ms' : (unit[0] as 's' | 'm' | 'h' | 'd')]
}

function durationText(ms: number): string {
  const [unit, size] = Object.entries(UNITS_MS).find(([, size]) => ms > 0 && ms % size === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}

const ABSENT = [
  [/\.\s*env\b/, 'seems to call tools from code', 'Code calls none here: make a tool_call step of each.'],
  [/\.\s*sleep(Until)?\s*\(/, 'seems to wait in code', 'Make a sleep step of it.'],
] as const
const READS = /readStepResult\(\s*(['"`])([^'"`]+)\1\s*\)/g

/** Guesses from the text: what code does is known when it runs, and then it says the same. */
export function codeWarnings(path: string, source: string, earlier: readonly string[]): ProblemPlace[] {
  const absent = ABSENT.flatMap(([sign, message, hint]) =>
    sign.test(source) ? [place('import', path, message, hint)] : [],
  )
  const unknown = [...source.matchAll(READS)].flatMap(([, , name = '']) => {
    if (earlier.includes(stepNameOf(name))) return []
    const nearest = nearestName(stepNameOf(name), earlier)
    const hint = nearest === undefined ? undefined : `Did you mean \`${nearest}\`?`
    return [
      place(
        'import',
        path,
        `seems to read the result of \`${name}\`, and no step before it has that name`,
        hint,
      ),
    ]
  })
  return [...absent, ...unknown]
}
