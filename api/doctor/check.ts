/** What a check of `countersign doctor` is made of. */
import type { Check } from '../../schemas/operations/health.ts'
import { isTemporalAway } from '../temporal.ts'

export function ok(name: string, summary: string): Check {
  return { name, status: 'ok', summary, action: null }
}

export function warn(name: string, summary: string, action: string): Check {
  return { name, status: 'warn', summary, action }
}

export function fail(name: string, summary: string, action: string): Check {
  return { name, status: 'fail', summary, action }
}

export function worstOf(checks: readonly Check[]): Check['status'] {
  const has = (status: Check['status']): boolean => checks.some((check) => check.status === status)
  return has('fail') ? 'fail' : has('warn') ? 'warn' : 'ok'
}

/** Temporal's client tells a missing answer in the words of gRPC. */
export function reasonOf(error: unknown): string {
  if (isTemporalAway(error)) return 'Temporal does not answer in time.'
  return error instanceof Error ? error.message.split('\n', 1)[0]! : String(error)
}
