/**
 * `countersign doctor`: what is well, what is not, and what to do. First what is on this side, the address, the key, the
 * clock; then what the API says of itself. Ends with 1 if a check fails, and with 3 if the API cannot be reached. Where
 * the API cannot know who asks, because its database is away, it says what anybody may know.
 */
import type { Command } from 'commander'
import { ApiError } from '../../sdk/client/index.ts'
import type { Check } from '../../schemas/operations/health.ts'
import { apiCommand, openApi, targetOf, type ApiOptions, type Target } from '../context.ts'
import { askReady, clockHere, keyHere, mendAddress, serverHere, withoutDatabase } from '../doctor.ts'
import { EXIT_CODES } from '../errors.ts'
import { printJson, printLine, styled, visible } from '../output.ts'

interface Report {
  status: Check['status']
  checks: Check[]
}

export function registerDoctor(program: Command): void {
  apiCommand(program, {
    usage: 'doctor',
    summary: 'check everything the deployment needs, and say what to do about it',
    examples: ['doctor', 'doctor --json', 'doctor --context staging'],
  }).action(doctor)
}

async function doctor(options: ApiOptions): Promise<void> {
  const target = targetOf(options)
  const ready = await askReady(target.origin)
  if (ready === undefined) {
    process.exitCode = EXIT_CODES.unreachable
    return tell(reportOf([serverHere(target, false)]), options)
  }
  const here = [serverHere(target, true), clockHere(ready.aheadMs)]
  const checks = ready.database
    ? [...here, ...(await withDatabase(target, options))]
    : [...here, ...withoutDatabase(ready)]
  const report = reportOf(checks)
  if (report.status === 'fail') process.exitCode = EXIT_CODES.failed
  tell(report, options)
}

/** What the API says of itself is for administrators; others are told what they can do. */
async function withDatabase(target: Target, options: ApiOptions): Promise<Check[]> {
  if (target.apiKey === undefined) return [keyHere(target, 'missing')]
  const client = openApi(options)
  try {
    const { checks } = await client.getHealth()
    return [keyHere(target, 'admin'), ...checks]
  } catch (error) {
    if (error instanceof ApiError && error.code === 'FORBIDDEN') return [keyHere(target, 'limited')]
    if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return [keyHere(target, 'refused')]
    if (error instanceof ApiError && error.status === 0) return [mendAddress(target)]
    throw error
  }
}

function reportOf(checks: Check[]): Report {
  const worst = (['fail', 'warn'] as const).find((status) => checks.some((check) => check.status === status))
  return { status: worst ?? 'ok', checks }
}

function tell(report: Report, options: ApiOptions): void {
  if (options.json) return printJson(report)
  const width = Math.max(...report.checks.map(({ name }) => name.length))
  for (const { name, status, summary, action } of report.checks) {
    printLine(`${MARKS[status]()}  ${name.padEnd(width)}  ${visible(summary)}`)
    if (action !== null) printLine(`${' '.repeat(width + 8)}→ ${visible(action)}`)
  }
}

const MARKS = {
  ok: () => styled('green', 'ok  '),
  warn: () => styled('yellow', 'warn'),
  fail: () => styled('red', 'FAIL'),
} as const
