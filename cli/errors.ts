/** How an error of whatever kind is told, and the exit code it ends in. */
import { CommanderError } from 'commander'
import { CodedError, type ErrorCode } from '../schemas/errors.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { ApiError } from '../sdk/client/index.ts'
import { note, styledNote, visible } from './output.ts'

export const EXIT_CODES = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const

export const EXIT_CODES_HELP = `
Exit codes:
  0  done
  1  refused or failed
  2  the command was not given as it expects
  3  the API cannot be reached
  130  ended by Ctrl-C`

/** The command line, or a file it names, is not as the command expects it. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}

/** What is wrong in a file that was read here, each with its place. */
export class PlacesError extends CodedError {
  readonly places: readonly ProblemPlace[]

  constructor(code: ErrorCode, detail: string, places: readonly ProblemPlace[]) {
    super(code, detail)
    this.name = 'PlacesError'
    this.places = places
  }
}

interface Told {
  code: string
  title: string
  detail: string
  hint: string
  errors: readonly ProblemPlace[]
  request_id?: string | undefined
  exitCode: number
}

/** Tells it on standard error, and returns the exit code. */
export function report(error: unknown, asJson: boolean): number {
  // Commander has written its own message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage
  const { exitCode, ...told } = describe(error)
  if (asJson) note(JSON.stringify(told, null, 2))
  else for (const line of linesOf(told)) note(line)
  return exitCode
}

function describe(error: unknown): Told {
  if (error instanceof ApiError) return describeApiError(error)
  const message = error instanceof Error ? error.message : String(error)
  const [title = '', ...rest] = message.split('\n')
  const errors = error instanceof PlacesError ? error.places : []
  const told = { title, detail: rest.join('\n'), hint: '', errors }
  if (error instanceof UsageError) {
    return { ...told, code: 'USAGE', hint: error.hint ?? '', exitCode: EXIT_CODES.usage }
  }
  // Those of this machine say themselves what to do; the table's hints are for requests.
  const code = error instanceof CodedError ? error.code : 'INTERNAL'
  return { ...told, code, exitCode: EXIT_CODES.failed }
}

function describeApiError(error: ApiError): Told {
  const { code, detail, hint, errors } = error
  // The message is title and detail in one.
  const title = error.message.slice(0, error.message.length - detail.length).trim()
  const exitCode = error.status === 0 ? EXIT_CODES.unreachable : EXIT_CODES.failed
  return { code, title, detail, hint, errors, request_id: error.requestId, exitCode }
}

function linesOf(told: Omit<Told, 'exitCode'>): string[] {
  const places = told.errors.flatMap(({ path, message, hint }) => [
    `  ${visible(path)}: ${visible(message)}`,
    ...(hint === undefined ? [] : [`    ${visible(hint)}`]),
  ])
  const detail = told.detail === '' ? [] : told.detail.split('\n').map((line) => `  ${visible(line)}`)
  const isOurs = told.code === 'INTERNAL' && told.request_id !== undefined
  return [
    `${styledNote('red', told.code)}: ${visible(told.title)}`,
    // The detail repeats the first places.
    ...(places.length > 0 ? places : detail),
    ...(told.hint === '' ? [] : [`  ${styledNote('bold', visible(told.hint))}`]),
    ...(isOurs ? [`  Request id: ${told.request_id}`] : []),
  ]
}
