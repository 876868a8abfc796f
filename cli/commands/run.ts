/** `countersign run`: starts a run, and waits for its end if asked to. */
import type { Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import { followRun, type Client } from '../../sdk/client/index.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { readJsonArgument } from '../files.ts'
import { note, printFields, printJson, visible } from '../output.ts'
import { linkField, runFields, type Run } from '../render/fields.ts'
import { decideCommand } from '../render/words.ts'
import { dryRun } from './dry-run.ts'

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
  let last: Run | undefined
  for await (const run of followRun(client, runId)) {
    last = run
    tellWaits(run, told)
  }
  if (last) showEnd(last, options)
}

function tellWaits(run: Run, told: Set<string>): void {
  const tellOnce = (id: string, text: string): void => {
    if (!told.has(id)) note(`${run.run_id}: ${text}`)
    told.add(id)
  }
  for (const approval of run.approvals) {
    if (approval.state !== 'waiting') continue
    const what = approval.question === null ? 'an approval' : 'an answer'
    tellOnce(approval.approval_id, `waits for ${what}: ${visible(decideCommand(approval))}`)
  }
  for (const { writeback_id: id, state } of run.writebacks) {
    if (state !== 'unknown') continue
    tellOnce(id, `nobody knows what became of a write: countersign writebacks show ${visible(shellWord(id))}`)
  }
}

function showEnd(run: Run, options: RunOptions): void {
  if (options.json) printJson(run)
  else printFields(runFields(run))
  if (run.state !== 'completed') process.exitCode = EXIT_CODES.failed
}
