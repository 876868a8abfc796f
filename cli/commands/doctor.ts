/**
 * `countersign doctor`: what is well, what is not, and what to do. Ends with 1 if a check fails, and with 3 if the API
 * cannot be reached. Where the API cannot know who asks, because its database is away, it says what anybody may know.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { CheckSchema, type Check } from '../../schemas/operations/health.ts'
import { apiCommand, apiUrlOf, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES } from '../errors.ts'
import { printJson, printLine, styled, visible } from '../output.ts'

const PATIENCE_MS = 15_000

interface Report {
  status: Check['status']
  checks: Check[]
}

export function registerDoctor(program: Command): void {
  apiCommand(program, {
    usage: 'doctor',
    summary: 'check everything the deployment needs, and say what to do about it',
    examples: ['doctor', 'doctor --json'],
  }).action(doctor)
}

async function doctor(options: ApiOptions): Promise<void> {
  const report = (await withoutDatabase(options)) ?? (await openApi(options).getHealth())
  if (report.status === 'fail') process.exitCode = EXIT_CODES.failed
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

const ReadySchema = z.object({ database: z.boolean(), temporal: z.boolean() })

/** Undefined if the API can tell everything itself. */
async function withoutDatabase(options: ApiOptions): Promise<Report | undefined> {
  const ready = ReadySchema.safeParse(await ask(new URL('/readyz', apiUrlOf(options)))).data
  if (!ready || ready.database) return undefined
  const away = (name: string, summary: string, action: string): Check => {
    return CheckSchema.parse({ name, status: 'fail', summary, action })
  }
  const checks = [
    away(
      'postgresql',
      'The API cannot reach it, and accepts nothing.',
      'Start PostgreSQL, or correct DATABASE_URL.',
    ),
    ...(ready.temporal
      ? []
      : [away('temporal', 'The API cannot reach it.', 'Start Temporal, or correct TEMPORAL_ADDRESS.')]),
  ]
  return { status: 'fail', checks }
}

/** Undefined if nobody answers: then the client says so, in the words of every command. */
async function ask(url: URL): Promise<unknown> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) })
    return await response.json()
  } catch {
    return undefined
  }
}
