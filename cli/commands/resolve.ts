/** `countersign writebacks resolve`: says what became of a write when nobody knew. */
import { Option, type Command } from 'commander'
import type { Client } from '../../sdk/client/index.ts'
import { canAsk, confirm } from '../confirm.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES } from '../errors.ts'
import { note, printJson, printLine, visible } from '../output.ts'

interface ResolveOptions extends ApiOptions {
  as: 'applied' | 'not-applied'
  comment: string
  ticket?: boolean
  yes?: boolean
}

export function registerResolve(writebacks: Command): void {
  apiCommand(writebacks, {
    usage: 'resolve <writeback>',
    summary: 'say what became of a write of unknown outcome, after you have looked at its target',
    examples: [
      'writebacks resolve wb_5d1f….waive.1 --as applied --comment "it is in the ledger of the bank"',
      'writebacks resolve wb_5d1f….waive.1 --as not-applied --ticket',
    ],
  })
    .addOption(
      new Option('--as <finding>', 'what you have found')
        .choices(['applied', 'not-applied'])
        .makeOptionMandatory(),
    )
    .option('--comment <text>', 'for those who look at it later', '')
    .option('-y, --yes', 'do not ask')
    .option('--ticket', 'send nothing; print the signed word, to be pasted as input of the signal `resolve`')
    .action(resolve)
}

async function resolve(writebackId: string, options: ResolveOptions): Promise<void> {
  const client = openApi(options)
  if (!(await isMeant(client, writebackId, options))) {
    note('Nothing was said.')
    process.exitCode = EXIT_CODES.failed
    return
  }
  const word = {
    writeback_id: writebackId,
    resolution: options.as === 'applied' ? ('applied' as const) : ('not_applied' as const),
    comment: options.comment,
    channel: 'cli' as const,
  }
  if (options.ticket) {
    const ticket = await client.createResolutionTicket(word)
    if (options.json) return printJson(ticket)
    note(
      `Send it as signal \`${ticket.signal}\` to workflow ${ticket.workflow_id}, in the Temporal UI or with:`,
    )
    note(`  ${visible(ticket.command)}`)
    printLine(JSON.stringify(ticket.input))
    return
  }
  const answer = await client.resolveWriteback(word)
  if (options.json) return printJson(answer)
  printLine(`${visible(writebackId)}: ${answer.state}. ${visible(answer.message)}`)
}

/** It cannot be taken back. Where nobody can be asked, `--as` is the word. */
async function isMeant(client: Client, writebackId: string, { as, yes }: ResolveOptions): Promise<boolean> {
  if (yes || !canAsk()) return true
  const { preview, state } = await client.getWriteback({ writeback_id: writebackId })
  note(`${preview.connection} · ${preview.operation} · ${visible(preview.target)}: ${state}`)
  return confirm(`Say for good that it is ${as === 'applied' ? 'applied' : 'not applied'}? [y/N] `)
}
