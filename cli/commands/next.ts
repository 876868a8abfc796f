/**
 * `countersign approvals next`: the inbox, one write or question after the other. Shown is what the caller may decide, by the same
 * rules that judge a vote; whether it counts, the approval itself says.
 */
import type { Command } from 'commander'
import { createInterface, type Interface } from 'node:readline/promises'
import { fits, ineligibility } from '../../lib/quorum.ts'
import type { JsonObject } from '../../lib/json.ts'
import { shellWord } from '../../lib/shell-text.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { ApiError, itemsOf, type Client } from '../../sdk/client/index.ts'
import { askAnswer, type Ask } from '../answer-prompts.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES, report } from '../errors.ts'
import { note, printFields, printJson, printLine, visible } from '../output.ts'
import { approvalFields, changeLines } from '../render/fields.ts'
import { answeredLine, counted, decideCommand, decidedLine } from '../render/words.ts'

interface NextOptions extends ApiOptions {
  automation?: string
  connection?: string
}

type Caller = OperationOutput<Operations['whoAmI']>

export function registerNext(approvals: Command): void {
  apiCommand(approvals, {
    usage: 'next',
    summary:
      'walk through what waits for you: each write with its changes, then approve, reject or skip; each question, ' +
      'then answer or skip. Without a terminal: print the next one, and how to decide',
    examples: ['approvals next', 'approvals next --automation late-fee'],
  })
    .option('--automation <name>', 'only those of this automation')
    .option('--connection <name>', 'only those of this connection')
    .action(next)
}

async function next(options: NextOptions): Promise<void> {
  const client = openApi(options)
  const caller = await client.whoAmI()
  if (!process.stdin.isTTY || !process.stdout.isTTY || options.json) return printNext(client, caller, options)
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    await walk(terminal, waitingFor(client, caller, options), { client, caller })
  } finally {
    terminal.close()
  }
}

async function printNext(client: Client, caller: Caller, options: NextOptions): Promise<void> {
  const { value: approval } = await waitingFor(client, caller, options).next()
  if (options.json) return printJson(approval ?? null)
  if (!approval) return printLine(nothing(caller, 0))
  show(approval)
  const { approval_id: id, digest } = approval
  printLine()
  if (approval.question !== null) {
    return printLine(visible(`${decideCommand(approval)} --digest ${digest}`))
  }
  printLine(visible(`countersign approve ${shellWord(id)} --digest ${digest}`))
  printLine(visible(`countersign reject ${shellWord(id)} --digest ${digest} --comment "why"`))
}

/** Oldest first. */
export async function* waitingFor(
  client: Client,
  caller: Caller,
  { automation, connection }: Pick<NextOptions, 'automation' | 'connection'>,
): AsyncGenerator<ApprovalView, undefined, undefined> {
  const filters = {
    ...(automation === undefined ? {} : { automation }),
    ...(connection === undefined ? {} : { connection }),
  }
  for await (const approval of itemsOf(client.listApprovals, { state: 'waiting' as const, ...filters })) {
    if (mayDecide(approval, caller)) yield approval
  }
  return undefined
}

export function mayDecide(approval: ApprovalView, caller: Caller): boolean {
  const { requirement, requester, votes, waits_for: open } = approval
  if (votes.some(({ principal }) => principal === caller.principal)) return false
  if (open !== null && !fits(open, caller)) return false
  const asked = {
    policy: requirement.policy,
    rule: requirement.rule,
    stages: requirement.stages,
    anyRejectEnds: requirement.any_reject_ends,
    selfApproval: requirement.self_approval,
    identity: requirement.identity,
    expiresAfterMs: requirement.expires_after_ms,
    validForMs: requirement.valid_for_ms,
  }
  const { principal, kind, on_behalf_of: onBehalfOf } = requester
  return ineligibility(asked, { principal, kind, onBehalfOf }, { ...caller, method: 'api_key' }) === null
}

interface Desk {
  client: Client
  caller: Caller
}

async function walk(
  terminal: Interface,
  waiting: AsyncIterable<ApprovalView>,
  { client, caller }: Desk,
): Promise<void> {
  let seen = 0
  const ended = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)))
  const ask: Ask = (question) => {
    return Promise.race([terminal.question(question), ended])
  }
  terminal.once('SIGINT', () => terminal.close())
  for await (const approval of waiting) {
    if (seen++ > 0) printLine()
    show(approval)
    printLine()
    if (approval.question !== null) {
      const choice = await askChoice(ask, ANSWER_CHOICES)
      if (choice === 'quit') return
      if (choice === 'answer' && !(await answer(client, approval, approval.question, ask))) return
      continue
    }
    const verdict = await askChoice(ask, CHOICES)
    if (verdict === 'quit') return
    if (verdict === 'skip') continue
    const comment = await ask('Comment (Enter for none): ')
    // Whoever leaves at this question has not decided.
    if (comment === undefined) return
    await decide(client, approval, { verdict, comment })
  }
  printLine(nothing(caller, seen))
}

function nothing({ principal }: Caller, seen: number): string {
  const who = visible(principal)
  return seen === 0
    ? `Nothing waits for ${who}.`
    : `That was all that waits for ${who}: ${counted(seen, 'entry', 'entries')}.`
}

function show(approval: ApprovalView): void {
  printFields(approvalFields(approval))
  printLine()
  for (const line of changeLines(approval)) printLine(line)
}

const CHOICES = ['approve', 'reject', 'skip', 'quit'] as const
const ANSWER_CHOICES = ['answer', 'skip', 'quit'] as const

/** Enter alone decides nothing. The end of input is a quit. */
async function askChoice<Choice extends string>(
  ask: Ask,
  choices: readonly Choice[],
): Promise<Choice | 'quit'> {
  const words = choices.map((choice) => `[${choice.slice(0, 1)}]${choice.slice(1)}`)
  for (;;) {
    const said = await ask(`${words.slice(0, -1).join(', ')} or ${words.at(-1)}? `)
    if (said === undefined) return 'quit'
    const word = said.trim().toLowerCase()
    const choice = choices.find((known) => known === word || known[0] === word)
    if (choice) return choice
  }
}

/** Until it fits the form. False: whoever is asked has left. */
async function answer(
  client: Client,
  { approval_id, digest }: ApprovalView,
  { form }: NonNullable<ApprovalView['question']>,
  ask: Ask,
): Promise<boolean> {
  for (;;) {
    const given = await askAnswer(form as JsonObject, ask, printLine)
    const comment = given === undefined ? undefined : await ask('Comment (Enter for none): ')
    if (given === undefined || comment === undefined) return false
    const refused = await tellingRefusal(async () => {
      const said = await client.answerAsk({ approval_id, answer: given, digest, comment, channel: 'cli' })
      printLine(answeredLine(approval_id, said))
    })
    if (refused !== 'INVALID_ANSWER') return true
  }
}

/** A refusal is told, and the walk goes on: somebody else may have been quicker. */
async function decide(
  client: Client,
  { approval_id, digest }: ApprovalView,
  { verdict, comment }: { verdict: 'approve' | 'reject'; comment: string },
): Promise<void> {
  await tellingRefusal(async () => {
    const said = await client.decideApproval({ approval_id, verdict, digest, comment, channel: 'cli' })
    printLine(decidedLine(approval_id, said))
  })
}

/** Gives the code of the refusal. */
async function tellingRefusal(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 0) throw error
    report(error, false)
    note('')
    // One that does not fit the form is given again.
    if (error.code !== 'INVALID_ANSWER') process.exitCode = EXIT_CODES.failed
    return error.code
  }
}
