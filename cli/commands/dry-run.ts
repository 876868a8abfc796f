/** `countersign run --dry-run`: what a run would do, in words. Nothing is written, and nobody is asked. */
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { shortened } from '../../lib/cut-text.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { Client } from '../../sdk/client/index.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { readJsonArgument } from '../files.ts'
import { printJson, printLine, styled, tableLines, valueText, visible } from '../output.ts'

type DryRun = OperationOutput<Operations['dryRun']>
type DryStep = DryRun['steps'][number]
type Stages = NonNullable<DryStep['would_write']>['asks']

interface DryRunOptions {
  input: string
  onBehalfOf?: string[]
  answer?: string[]
  json?: boolean
}

export async function dryRun(client: Client, automation: string, options: DryRunOptions): Promise<void> {
  const told = await client.dryRun({
    name: automation,
    input: readJsonArgument(options.input),
    on_behalf_of: options.onBehalfOf ?? [],
    answers: answersOf(options.answer ?? []),
  })
  if (told.state === 'failed') process.exitCode = EXIT_CODES.failed
  if (options.json) return printJson(told)
  for (const line of linesOf(told)) printLine(line)
}

function answersOf(given: readonly string[]): Record<string, JsonValue> {
  const pairs = given.map((text) => {
    const cut = text.indexOf('=')
    if (cut < 1)
      throw new UsageError(`--answer ${text} names no step.`, `Say --answer 'waive={"late_fee_cents": 0}'.`)
    return [text.slice(0, cut), readJsonArgument(text.slice(cut + 1))] as const
  })
  return Object.fromEntries(pairs)
}

function linesOf({ automation, revision, state, output, failure, steps, problems }: DryRun): string[] {
  const heading = `${automation}, revision ${revision}: what a run would do now, if everybody agreed`
  const told = problems.map(({ path, message }) => `  ${path === '' ? '' : `${path}: `}${message}`)
  return [
    styled('bold', visible(heading)),
    ...steps.flatMap(stepLines),
    '',
    ...told.map((line) => styled('yellow', visible(line))),
    visible(endLine(state, output, failure)),
    'Nothing was written, and nobody was asked.',
  ]
}

function endLine(state: DryRun['state'], output: unknown, failure: DryRun['failure']): string {
  if (state === 'completed') return `It would complete with ${valueText(output)}`
  if (state === 'failed') return `It would fail: ${failure?.code}: ${failure?.message}`
  return 'How it goes on from there cannot be told. Say what such a step gives with --answer PATH=JSON.'
}

function stepLines(step: DryStep): string[] {
  const { would_write: write } = step
  const lines = [visible(`  ${step.path}: ${deedOf(step)}`)]
  if (!write) return lines
  const changes = write.preview.changes.map(({ field, before, after }) => [
    field,
    valueText(before),
    valueText(after),
  ])
  const table = changes.length === 0 ? [] : tableLines(['field', 'before', 'after'], changes)
  const held =
    write.held_because === null ? [] : [`it would wait, the connection is frozen: ${write.held_because}`]
  return [...lines, ...[...table, ...held.map(visible)].map((line) => `      ${line}`)]
}

function deedOf({ state, error, would_write: write, would_ask: ask, ...step }: DryStep): string {
  if (write) {
    const { connection, operation, target } = write.preview
    const what = `would write: ${connection} · ${operation} · ${target} (rule ${write.rule})`
    if (write.refused) return `${what}; it would be refused: ${write.refused.code}: ${write.refused.message}`
    return `${what}; ${whoText(write.asks, 'nobody is asked')}`
  }
  if (ask) return `would ask: ${ask.title}; ${whoText(ask.asks, 'anybody may answer')}`
  if (step.would_start) return `would start a run of ${step.would_start.automation}, which is not looked into`
  if (step.would_sleep_ms !== null) return `would sleep ${step.would_sleep_ms / 1_000} s`
  if (state === 'failed') return `fails: ${error?.code}: ${error?.message}`
  if (state === 'stopped')
    return step.needs.length > 0 ? `needs the output of ${step.needs.join(', ')}` : 'not over'
  if (state === 'skipped') return 'skipped'
  return step.output_omitted ? 'done (its output is too large to be shown)' : `done: ${short(step.output)}`
}

function whoText(asks: Stages, nobody: string): string {
  if (asks.length === 0) return nobody
  const stages = asks.map(({ roles, people, quorum }) => {
    const who = [...roles.map((role) => `role ${role}`), ...people]
    return `${quorum} of ${who.length === 0 ? 'anybody who may approve' : who.join(', ')}`
  })
  return `would be asked: ${stages.join(', then ')}`
}

function short(value: unknown): string {
  return shortened(valueText(value), 200)
}
