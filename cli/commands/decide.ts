/**
 * `countersign approve` and `reject`: a decision names the digest of the write that was looked at. Without `--digest`
 * the write is shown first, and the digest of what was shown is the one that is sent.
 */
import type { Command } from 'commander'
import type { Client } from '../../sdk/client/index.ts'
import { canAsk, confirm } from '../confirm.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { note, printJson, printLine, visible } from '../output.ts'
import { approvalFields, changeLines, fieldLines } from '../render/fields.ts'
import { decideCommand, decidedLine } from '../render/words.ts'

type Verdict = 'approve' | 'reject'

interface DecisionOptions extends ApiOptions {
  comment: string
  digest?: string
  ticket?: boolean
  yes?: boolean
}

export function registerDecisions(program: Command): void {
  registerVerdict(program, 'approve', 'approve a write that waits')
  registerVerdict(program, 'reject', 'reject a write that waits')
}

function registerVerdict(program: Command, verdict: Verdict, summary: string): void {
  apiCommand(program, {
    usage: `${verdict} <approval>`,
    summary,
    examples: [
      `${verdict} wb_5d1f….waive.1 --comment "as agreed"`,
      `${verdict} wb_5d1f….waive.1 --ticket --yes`,
    ],
  })
    .option('--comment <text>', 'for those who look at it later', '')
    .option('--digest <hex>', 'digest of the write you have looked at; it is not shown again')
    .option('-y, --yes', 'do not ask: decide about what waits now')
    .option('--ticket', 'send nothing; print the signed decision, to be pasted as input of a Temporal signal')
    .action((approvalId: string, options: DecisionOptions) => decide(verdict, approvalId, options))
}

async function decide(verdict: Verdict, approvalId: string, options: DecisionOptions): Promise<void> {
  const client = openApi(options)
  const digest = options.digest ?? (await digestLookedAt(client, verdict, approvalId, options))
  if (digest === undefined) {
    note('Nothing was decided.')
    process.exitCode = EXIT_CODES.failed
    return
  }
  const decision = {
    approval_id: approvalId,
    verdict,
    digest,
    comment: options.comment,
    channel: 'cli' as const,
  }
  if (options.ticket) return printTicket(client, decision, options)
  const answer = await client.decideApproval(decision)
  if (options.json) return printJson(answer)
  printLine(decidedLine(approvalId, answer))
}

async function printTicket(
  client: Client,
  decision: Parameters<Client['createTicket']>[0],
  options: DecisionOptions,
): Promise<void> {
  const ticket = await client.createTicket(decision)
  if (options.json) return printJson(ticket)
  note(
    `Send it as signal \`${ticket.signal}\` to workflow ${ticket.workflow_id}, in the Temporal UI or with:`,
  )
  note(`  ${visible(ticket.command)}`)
  note('Whoever has it can send it: it is your decision about exactly this write.')
  printLine(JSON.stringify(ticket.input))
}

/** Undefined when the person says no. */
async function digestLookedAt(
  client: Client,
  verdict: Verdict,
  approvalId: string,
  options: DecisionOptions,
): Promise<string | undefined> {
  if (!options.yes && !canAsk()) {
    throw new UsageError(
      'Here nobody can be asked whether this is the right write.',
      'Add --digest with the digest of the write you have looked at, or --yes to decide about what waits now.',
    )
  }
  const approval = await client.getApproval({ approval_id: approvalId })
  if (approval.question !== null) {
    throw new UsageError(
      `${approvalId} is a question, and no write.`,
      `Answer it: ${decideCommand(approval)}`,
    )
  }
  for (const line of [...fieldLines(approvalFields(approval)), '', ...changeLines(approval), '']) note(line)
  if (options.yes || (await confirm(`${verdict === 'approve' ? 'Approve' : 'Reject'} this write? [y/N] `))) {
    return approval.digest
  }
  return undefined
}
