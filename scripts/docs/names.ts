/** docs/reference/names.md, from schemas/names.ts: what of us can be seen in Temporal. */
import * as names from '../../schemas/names.ts'
import { code, madeFrom, page, table } from './markdown.ts'

const ORGANIZATION = 'acme'
const WRITEBACK_ID = names.writebackIdOf({
  runId: 'run_0f3c9a52d1b84e7796c0a8e2f4b61d35',
  path: 'each[3].waive',
  round: 1,
})

export function renderNames(): string {
  const values = [names.WAITING_FOR_APPROVAL, names.WAITING_FOR_RESOLUTION, names.NOT_WAITING]
  return page(
    madeFrom('`schemas/names.ts`'),
    '# Names in Temporal',
    `What the Temporal UI, the Temporal CLI and your own programs see of us. The default task queue is ${code(names.TASK_QUEUE)}.`,
    '## Workflow types',
    table(
      ['Workflow Type', 'what it is'],
      Object.entries(names.WORKFLOW_TYPES).map(([key, type]) => [code(type), TYPES[key as Type]]),
    ),
    '## Messages',
    table(
      ['name', 'kind', 'to'],
      Object.entries(names.MESSAGES).map(([key, name]) => [
        code(name),
        (/[A-Z][a-z]+$/.exec(key)?.[0] ?? '').toLowerCase(),
        RECEIVERS[key as Message],
      ]),
    ),
    MESSAGES_TEXT,
    '## Workflow ids',
    table(['what', 'example'], idRows()),
    IDS_TEXT,
    '## Search attributes',
    table(
      ['name', 'holds'],
      Object.entries(names.SEARCH_ATTRIBUTES).map(([key, name]) => [
        code(name),
        ATTRIBUTES[key as Attribute],
      ]),
    ),
    `All are keywords. ${code(names.SEARCH_ATTRIBUTES.state)} is ${values.map(code).join(', ')}; a run that never waits never sets it. In a namespace
where they are not registered the workflows set none. A list of all runs that wait for somebody, in the Temporal UI:`,
    `\`\`\`\n${names.SEARCH_ATTRIBUTES.state} = "${names.WAITING_FOR_APPROVAL}" AND ExecutionStatus = "Running"\n\`\`\``,
  )
}

type Type = keyof typeof names.WORKFLOW_TYPES
type Message = keyof typeof names.MESSAGES
type Attribute = keyof typeof names.SEARCH_ATTRIBUTES

const TYPES: Record<Type, string> = {
  automation: 'one run of an automation',
  writeback: 'one write that has to wait; a child of its run',
  approval: 'one wait for decisions; a child of its writeback',
  dryRun: 'what a run would do, shown to whoever asks; it writes nothing and asks nobody',
  inspectConnection: 'asks a server for its tools, when a manifest is saved',
  resolution: 'records what a person says of an unknown write whose own workflow is closed',
  reconcile: 'closes the records of executions that are gone; every minute, from a Schedule',
  retention: 'deletes what is no longer kept; daily, from a Schedule',
}

const RECEIVERS: Record<Message, string> = {
  approveSignal: 'approval, writeback, run: with a ticket',
  rejectSignal: 'approval, writeback, run: with a ticket',
  answerSignal:
    'question (an approval workflow), run: with an answer that the API has signed. No command prints one: `countersign answer` sends it',
  decideUpdate: 'approval: what the API sends',
  resolveSignal: 'writeback: with a ticket',
  resolveUpdate: 'writeback: what the API sends',
  getRunQuery: 'run',
  getWritebackQuery: 'writeback',
  getApprovalQuery: 'approval',
}

const ATTRIBUTES: Record<Attribute, string> = {
  org: 'the organization',
  automation: 'the automation of the run',
  trigger: 'where the run came from',
  connection: 'the connection of a writeback or an approval',
  state: 'whether it waits, and for what',
}

const MESSAGES_TEXT = `A signal to a run or a writeback goes on to the approval below it, where there is one. What a ticket is: [Approve in
Temporal](../how-to/approve-in-temporal.md).`

function idRows(): string[][] {
  const run = { organization: ORGANIZATION, automation: 'late-fee', deliveryId: 'dlv_4be1…' }
  const askedTwice = names.approvalIdOf({ writebackId: WRITEBACK_ID, ask: 2 })
  return [
    ['run', code(names.runWorkflowId(run))],
    ['writeback', code(names.writebackWorkflowId({ organization: ORGANIZATION, writebackId: WRITEBACK_ID }))],
    ['approval', code(names.approvalWorkflowId({ organization: ORGANIZATION, approvalId: WRITEBACK_ID }))],
    [
      'approval of the same write, asked a second time',
      code(names.approvalWorkflowId({ organization: ORGANIZATION, approvalId: askedTwice })),
    ],
    [
      'dry run',
      code(
        names.dryRunWorkflowId({ organization: ORGANIZATION, automation: 'late-fee', dryRunId: 'dry_5d41…' }),
      ),
    ],
    ['Schedule that reconciles', code(names.scheduleId('reconcile', names.TASK_QUEUE))],
    ['Schedule of the retention', code(names.scheduleId('retention', names.TASK_QUEUE))],
  ]
}

const IDS_TEXT = `The id of a writeback is made from the id of the run, the step's path, and the round: it is the same after Reset, and in
any other execution of the run, which therefore meets the writes that were made. A round is added when a write is planned
anew. What is not plain in a name becomes a dash, followed by a hash.`
