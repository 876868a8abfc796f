/** `countersign run`: starts a run, and waits for its end if asked to. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Client } from '../../sdk/client/index.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { readJsonArgument } from '../files.ts'
import { note, printFields, printJson, visible } from '../output.ts'
import { linkField, runFields, type Run } from '../render/fields.ts'
import { isOpen } from '../render/words.ts'
import { dryRun } from './dry-run.ts'

const POLL_MS = 500

interface RunOptions extends ApiOptions {
  input: string
  onBehalfOf?: string[]
  idempotencyKey?: string
  wait?: boolean
  dryRun?: boolean
  answer?: string[]
}

export function registerRun(program: Command): void {
  apiCommand(program, {
    usage: 'run <automation>',
    summary: 'start a run of an automation',
    examples: [
      `run late-fee --input '{"invoice_id": "inv-7"}' --wait`,
      'run late-fee --input @input.json --idempotency-key dispute-12',
      'run late-fee --input @input.json --dry-run',
    ],
  })
    .option('--input <json>', 'JSON, or @file with JSON, or @- for standard input', '{}')
    .option(
      '--on-behalf-of <principal...>',
      'whom the run is for, nearest first; they may not approve its writes',
    )
    .option('--idempotency-key <key>', 'the same key never starts a second run')
    .option('--wait', 'wait for the end; exit code 1 unless the run completes')
    .option('--dry-run', 'start nothing: tell what a run would write, and whom it would ask')
    .option(
      '--answer <step=json...>',
      'with --dry-run: what stands for the output of a write, an answer, the result of another run',
    )
    .action(startRun)
}

async function startRun(automation: string, options: RunOptions): Promise<void> {
  if (options.answer && !options.dryRun) throw new UsageError('--answer is for --dry-run.')
  const client = openApi(options)
  if (options.dryRun) return dryRun(client, automation, options)
  const { idempotencyKey } = options
  const started = await client.startRun(
    {
      name: automation,
      input: readJsonArgument(options.input),
      ...(options.onBehalfOf === undefined ? {} : { on_behalf_of: options.onBehalfOf }),
    },
    idempotencyKey === undefined ? {} : { idempotencyKey },
  )
  if (options.wait) return waitForEnd(client, started.run_id, options)
  if (options.json) return printJson(started)
  printFields([
    ['Run', started.run_id],
    ['State', STATES[started.state]],
    ...(started.duplicate ? [['Note', 'this key has started a run before: it is that one'] as const] : []),
    ...linkField(started.temporal_ui_url),
  ])
}

const STATES = {
  started: 'started',
  pending: 'pending: stored for certain, and started as soon as Temporal answers',
}

async function waitForEnd(client: Client, runId: string, options: RunOptions): Promise<void> {
  note(`${runId}: waiting for the end (Ctrl-C stops waiting, not the run)`)
  const told = new Set<string>()
  for (;;) {
    const run = await client.getRun({ run_id: runId })
    if (!isOpen(run)) return showEnd(run, options)
    for (const { approval_id: id, state } of run.approvals) {
      if (state !== 'waiting' || told.has(id)) continue
      told.add(id)
      note(`${runId}: waits for an approval: countersign approve ${visible(id)}`)
    }
    for (const { writeback_id: id, state } of run.writebacks) {
      if (state !== 'unknown' || told.has(id)) continue
      told.add(id)
      note(`${runId}: nobody knows what became of a write: countersign writebacks show ${visible(id)}`)
    }
    await sleep(POLL_MS)
  }
}

function showEnd(run: Run, options: RunOptions): void {
  if (options.json) printJson(run)
  else printFields(runFields(run))
  if (run.state !== 'completed') process.exitCode = EXIT_CODES.failed
}
