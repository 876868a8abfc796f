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

// The parameter of the default export: its name, or the fields that are taken of it.
const PARAMETER = /export\s+default\s+(?:async\s+)?(?:function\b\s*\w*\s*)?\(?\s*(?:(\w+)|\{([^}]*)\})/
const COMMENT_OR_TEXT =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
const NOT_HERE: Record<string, readonly [string, string]> = {
  env: ['calls tools from code', 'Make a tool_call step of each call.'],
  sleep: ['waits in code', 'Take it out, and put a sleep step there in the automation.'],
  sleepUntil: ['waits in code', 'Take it out, and put a sleep step there in the automation.'],
}

/** What code takes of its context, outside of comments and texts, though each run that came there would fail. */
export function codeRefusals(path: string, source: string): ProblemPlace[] {
  const text = source.replace(COMMENT_OR_TEXT, (hidden) => hidden.replace(/[^\n]/g, ' '))
  const parameter = PARAMETER.exec(text)
  if (!parameter) return []
  const [, name, fields] = parameter
  const uses =
    name === undefined
      ? [...(fields ?? '').matchAll(/(?:^|,)\s*(sleepUntil|sleep|env)\b/g)]
      : [...text.matchAll(new RegExp(`\\b${name}\\s*(?:\\?\\.|\\.)\\s*(sleepUntil|sleep|env)\\b`, 'g'))]
  return uses.map((use) => {
    const [, member = ''] = use
    const [problem, hint] = NOT_HERE[member] ?? ['', '']
    const before = text.slice(0, name === undefined ? parameter.index : use.index)
    const taken = name === undefined ? member : `${name}.${member}`
    return place(
      'import',
      path,
      `line ${before.split('\n').length}: \`${taken}\` ${problem}, which fails here`,
      hint,
    )
  })
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
