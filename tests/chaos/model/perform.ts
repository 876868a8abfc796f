/** Does to the product what an action says, and gives its answer in the model's words. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporal } from '@temporalio/proto'
import { isGrpcServiceError, WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client'
import {
  approvalIdOf,
  approvalWorkflowId,
  writebackIdOf,
  writebackWorkflowId,
} from '../../../schemas/names.ts'
import type { ApprovalView } from '../../../schemas/operations/views.ts'
import { ApiError } from '../../../sdk/client/index.ts'
import { about } from '../../support/scenario.ts'
import { patiently } from '../patience.ts'
import type { Action, Answer, Execution, History } from './actions.ts'
import { isFinal } from './model.ts'
import { automationOf, type Name, type Scene } from './scene.ts'

export interface Subject {
  history: History
  account: string
  runId: string
  workflowId: string
  idempotencyKey: string
  begunAtMs: number
}

const { EVENT_TYPE_WORKFLOW_TASK_COMPLETED } = temporal.api.enums.v1.EventType
const PARK_PATIENCE_MS = 8_000
const NOTHING: Answer = { kind: 'nothing' }
const DONE: Answer = { kind: 'done' }

export async function begin(scene: Scene, history: History): Promise<Subject> {
  const account = `account-${randomUUID()}`
  await scene.scenario.shop.query('insert into accounts (id) values ($1)', [account])
  const subject = {
    history,
    account,
    idempotencyKey: account,
    runId: '',
    workflowId: '',
    begunAtMs: Date.now(),
  }
  const started = await (scene.goesBack
    ? patiently('it starts', PARK_PATIENCE_MS, () => start(scene, subject))
    : start(scene, subject))
  return { ...subject, runId: started.run_id, workflowId: started.temporal_workflow_id }
}

function start({ people }: Scene, { history, account, idempotencyKey }: Subject) {
  const name = automationOf(history.write, history.gate)
  return people.carl.startRun({ name, input: { account, balance: 7 } }, { idempotencyKey })
}

export async function act(scene: Scene, subject: Subject, action: Action): Promise<Answer> {
  switch (action.kind) {
    case 'decide':
      return action.through === 'api'
        ? decide(scene, subject, action)
        : sendTicket(scene, subject, { ...action, to: action.through })
    case 'decide_wrongly':
      return decide(scene, subject, action)
    case 'reset':
      return reset(scene, subject, action.share)
    case 'cancel':
      return toExecution(scene, subject, action.what, (handle) => handle.cancel())
    case 'terminate':
      return toExecution(scene, subject, action.what, (handle) => handle.terminate('a test'))
    case 'garbage':
      return toExecution(scene, subject, action.what, (handle) => sendGarbage(scene, handle, action.choice))
    case 'restart_worker':
      await scene.restartWorker()
      return DONE
    case 'pause_worker':
      await scene.pauseWorker()
      return DONE
    case 'back_up':
      await scene.backUp()
      return DONE
    case 'restore':
      await scene.restore()
      return DONE
    case 'start_again':
      return startAgain(scene, subject)
    case 'pause':
      await sleep(action.durationMs)
      return DONE
    case 'await_parked':
      return awaitParked(scene, subject)
    default:
      return action satisfies never
  }
}

async function approvalOf({ scenario }: Scene, { runId }: Subject): Promise<ApprovalView | undefined> {
  const { items } = await scenario.world.admin.listApprovals({ run_id: runId, state: 'all' })
  return items.at(-1)
}

async function decide(
  scene: Scene,
  subject: Subject,
  { verdict, by }: { verdict: 'approve' | 'reject'; by: Name },
): Promise<Answer> {
  const approval = await approvalOf(scene, subject)
  if (!approval) return NOTHING
  try {
    const { state } = await scene.people[by].decideApproval({ ...about(approval), verdict })
    return state === 'recorded' ? { kind: 'recorded' } : { kind: 'counted', state }
  } catch (error) {
    if (error instanceof ApiError && error.status < 500) return { kind: 'refused', code: error.code }
    throw error
  }
}

/** To the approval itself, a signal that is taken is looked at; on its way from above it may come too late. */
async function sendTicket(
  scene: Scene,
  subject: Subject,
  { verdict, by, to }: { verdict: 'approve' | 'reject'; by: Name; to: Execution },
): Promise<Answer> {
  const approval = await approvalOf(scene, subject)
  if (!approval) return NOTHING
  const ticket = await scene.people[by].createTicket({ ...about(approval), verdict })
  const answer = await toExecution(scene, subject, to, (handle) => handle.signal(ticket.signal, ticket.input))
  if (answer.kind !== 'done') return answer
  return { kind: to === 'approval' ? 'recorded' : 'sent' }
}

async function toExecution(
  scene: Scene,
  subject: Subject,
  what: Execution,
  work: (handle: WorkflowHandle) => Promise<unknown>,
): Promise<Answer> {
  const workflowId = workflowIdOf(scene, subject, what)
  try {
    await work(scene.scenario.world.temporal.workflow.getHandle(workflowId))
    return DONE
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return NOTHING
    throw error
  }
}

/** By what the ids are made from: an execution may be alive before the ledger knows of it. */
export function workflowIdOf({ scenario }: Scene, subject: Subject, what: Execution): string {
  const { runId, workflowId, history } = subject
  if (what === 'run') return workflowId
  const { organization } = scenario.world
  const path = history.write === 'sql' ? 'change' : 'note'
  const writebackId = writebackIdOf({ runId, path, round: 1 })
  return what === 'writeback'
    ? writebackWorkflowId({ organization, writebackId })
    : approvalWorkflowId({ organization, approvalId: approvalIdOf({ writebackId, ask: 1 }) })
}

async function sendGarbage(scene: Scene, handle: WorkflowHandle, choice: number): Promise<void> {
  const forged = {
    payloadType: 'application/json',
    payload: 'e30=',
    signatures: [{ keyid: 'k', sig: 'AA==' }],
  }
  const messages: [string, unknown][] = [
    ['nonsense', { any: 'thing' }],
    ['approve', undefined],
    ['approve', { by: 'lena@acme.example', comment: 'trust me' }],
    ['approve', { ticket: forged }],
    ['reject', 'a text'],
    ['approve', scene.foreignTicket],
  ]
  const [name, message] = messages[choice % messages.length] ?? ['nonsense', null]
  await handle.signal(name, message)
}

/** The latest execution of the run, to one of the workflow tasks that it has completed. */
async function reset({ scenario }: Scene, { workflowId }: Subject, share: number): Promise<Answer> {
  const { temporal: client } = scenario.world
  const { runId } = await client.workflow.getHandle(workflowId).describe()
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory()
  const completed = (events ?? []).filter(({ eventType }) => eventType === EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
  const point = completed[Math.floor(share * completed.length)]
  if (!point?.eventId) return NOTHING
  try {
    await client.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId, runId },
      reason: 'a test',
      workflowTaskFinishEventId: point.eventId,
      requestId: randomUUID(),
    })
    return DONE
  } catch (error) {
    // The server's own refusals, such as of an execution that changes at this moment.
    if (isGrpcServiceError(error)) return { kind: 'refused', code: `gRPC ${error.code}: ${error.details}` }
    throw error
  }
}

async function startAgain(scene: Scene, subject: Subject): Promise<Answer> {
  const again = await start(scene, subject)
  if (again.run_id === subject.runId && again.duplicate) return DONE
  return { kind: 'wrong', message: `the same start gave ${JSON.stringify(again)} besides ${subject.runId}` }
}

/** Gives up without a word: not every history comes that far. */
async function awaitParked(scene: Scene, subject: Subject): Promise<Answer> {
  const deadlineMs = Date.now() + PARK_PATIENCE_MS
  while (Date.now() < deadlineMs) {
    const { state, writebacks } = await scene.scenario.world.admin.getRun({ run_id: subject.runId })
    if (state === 'waiting_for_approval' || isFinal(writebacks[0]?.state)) return DONE
    await sleep(100)
  }
  return NOTHING
}
