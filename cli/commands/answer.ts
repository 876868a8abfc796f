/** `countersign answer`: the answer to a question of an automation. It names the digest of the question as it stands. */
import type { Command } from 'commander'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { readJsonArgument } from '../files.ts'
import { printJson, printLine } from '../output.ts'
import { answeredLine } from '../render/words.ts'

interface AnswerOptions extends ApiOptions {
  answer: string
  comment: string
  digest?: string
}

export function registerAnswer(program: Command): void {
  apiCommand(program, {
    usage: 'answer <question>',
    summary: 'answer a question of an automation; `approvals show` shows it, and the form of the answer',
    examples: [
      'answer ask_5d1f….which_tier --answer \'{"tier": "gold"}\'',
      'answer ask_5d1f….which_tier --answer @answer.json',
    ],
  })
    .requiredOption('--answer <json>', 'the answer: JSON, or @file, or @- for standard input')
    .option('--comment <text>', 'for those who look at it later', '')
    .option('--digest <hex>', 'digest of the question you have looked at; else of the one that waits now')
    .action(answer)
}

async function answer(askId: string, options: AnswerOptions): Promise<void> {
  const client = openApi(options)
  const given = readJsonArgument(options.answer)
  const digest = options.digest ?? (await client.getApproval({ approval_id: askId })).digest
  const { comment } = options
  const said = await client.answerAsk({ approval_id: askId, answer: given, digest, comment, channel: 'cli' })
  if (options.json) return printJson(said)
  printLine(answeredLine(askId, said))
}
