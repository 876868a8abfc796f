/**
 * Every name that crosses a process boundary: workflow types, messages, task queue, ids, search attributes.
 * Workflow code imports this file, so it imports nothing and uses no built-in of Node.
 */

export const TASK_QUEUE = 'countersign'

/** Workflow Types: the names under which Temporal knows our workflow functions. Never renamed. */
export const WORKFLOW_TYPES = {
  automation: 'automationWorkflow',
  writeback: 'writebackWorkflow',
  approval: 'approvalWorkflow',
  inspectConnection: 'inspectConnectionWorkflow',
  resolution: 'resolutionWorkflow',
  reconcile: 'reconcileWorkflow',
  retention: 'retentionWorkflow',
  dryRun: 'dryRunWorkflow',
} as const

/** Wire names of signals, queries and updates. */
export const MESSAGES = {
  approveSignal: 'approve',
  rejectSignal: 'reject',
  answerSignal: 'answer',
  decideUpdate: 'decide',
  resolveSignal: 'resolve',
  resolveUpdate: 'resolveNow',
  getRunQuery: 'getRun',
  getWritebackQuery: 'getWriteback',
  getApprovalQuery: 'getApproval',
} as const

export const SEARCH_ATTRIBUTES = {
  org: 'CountersignOrg',
  automation: 'CountersignAutomation',
  trigger: 'CountersignTrigger',
  connection: 'CountersignConnection',
  state: 'CountersignState',
} as const

/** In the details of a failed call: the ledger has no row of it. */
export const NOTHING_PLANNED = 'nothing_planned'

/** Values of `CountersignState`. A run that never waits never sets it, which saves an event. */
export const WAITING_FOR_APPROVAL = 'waiting_for_approval'
export const WAITING_FOR_RESOLUTION = 'waiting_for_resolution'
export const NOT_WAITING = 'active'

/** Who has it may say what became of a write of unknown outcome, besides those who may approve it. */
export const OPERATOR_ROLE = 'operator'

/** Metadata of the payload of a run's result: JSON of `ReceiptsHead`. */
export const RECEIPTS_METADATA_KEY = 'countersign-receipts'
/** Schedules, and the workflows they start: one of each kind for a task queue, in a namespace that others may share. */
export function scheduleId(kind: 'reconcile' | 'retention', taskQueue: string): string {
  return `${kind}/${idPart(taskQueue)}`
}

const ID_PART_MAX_LENGTH = 80

export function runWorkflowId(params: {
  organization: string
  automation: string
  deliveryId: string
}): string {
  return `run/${idPart(params.organization)}/${idPart(params.automation)}/${params.deliveryId}`
}

export function writebackWorkflowId(params: { organization: string; writebackId: string }): string {
  return `writeback/${idPart(params.organization)}/${params.writebackId}`
}

/** For a resolution that found its writeback's own workflow closed. */
export function resolutionWorkflowId(params: { organization: string; resolutionId: string }): string {
  return `resolution/${idPart(params.organization)}/${params.resolutionId}`
}

export function dryRunWorkflowId(params: {
  organization: string
  automation: string
  dryRunId: string
}): string {
  return `dry-run/${idPart(params.organization)}/${idPart(params.automation)}/${params.dryRunId}`
}

/** Of one of our ids, whoever made it; empty for the id of a workflow that is not ours. */
export function organizationOfWorkflow(workflowId: string): string {
  return /^(?:run|writeback|approval|resolution|inspect|dry-run)\/([^/]+)\//.exec(workflowId)?.[1] ?? ''
}

/** A policy that asks for more each time it has been satisfied is a mistake, not a process. */
export const MAX_ASKS = 10

/** The public id of an approval. `ask` counts how often the same write was put before people, from 1. */
export function approvalIdOf(params: { writebackId: string; ask: number }): string {
  return params.ask > 1 ? `${params.writebackId}/ask${params.ask}` : params.writebackId
}

/** Whether this is the id of an approval of this write, which holds for no other text. */
export function isApprovalOf(params: { writebackId: string; approvalId: string }): boolean {
  const { writebackId, approvalId } = params
  const ask = Number(/\/ask([1-9]\d?)$/.exec(approvalId)?.[1] ?? 1)
  return ask <= MAX_ASKS && approvalIdOf({ writebackId, ask }) === approvalId
}

export function approvalWorkflowId(params: { organization: string; approvalId: string }): string {
  return `approval/${idPart(params.organization)}/${params.approvalId}`
}

/** The public id in it; of the id of another workflow, nothing that is one. */
export function approvalIdOfWorkflow(workflowId: string): string {
  return workflowId.replace(/^approval\/[^/]+\//, '')
}

/**
 * The identity of one write: the same in every execution of its run, after Reset and Retry too, so that whoever starts
 * one meets the writes that were made. `round` rises when a step plans anew.
 */
export function writebackIdOf(params: { runId: string; path: string; round: number }): string {
  return `wb_${stepKey(params)}.${params.round}`
}

/** Of an id that follows from this step of this run; null for any other. */
export function roundOf(params: { runId: string; path: string; writebackId: string }): number | null {
  const round = Number(/\.([1-9]\d{0,3})$/.exec(params.writebackId)?.[1])
  return writebackIdOf({ ...params, round }) === params.writebackId ? round : null
}

/** The public id of a question: that of its approval workflow, and what an answer is about. */
export function askIdOf(params: { runId: string; path: string }): string {
  return `ask_${stepKey(params)}`
}

/** The identity of a run that a step starts, with that of the run around it. */
export function subRunKeyOf(params: { runId: string; path: string }): string {
  return stepKey(params)
}

function stepKey({ runId, path }: { runId: string; path: string }): string {
  return `${runId.replace(/^run_/, '')}.${pathPart(path)}`
}

/**
 * A step's path in an id: `each[3].notify` as `each.3.notify`, which no other path of the same plan becomes. A long one
 * is cut; then 64 bits of hash keep thousands of items apart, for two writes with one id would be one write.
 */
function pathPart(path: string): string {
  const plain = path.replace(/[[\].]+/g, '.')
  return plain.length <= ID_PART_MAX_LENGTH && idPart(plain) === plain
    ? plain
    : `${plain.replace(/[^A-Za-z0-9_.]+/g, '-').slice(0, ID_PART_MAX_LENGTH)}-${longHash(path)}`
}

/** Readable and bounded: what is not plain becomes a dash, and then a hash keeps different texts different. */
export function idPart(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_.-]+/g, '-').slice(0, ID_PART_MAX_LENGTH)
  return plain === text ? plain : `${plain}-${shortHash(text)}`
}

/** FNV-1a, 32 bit, as 8 hex digits: tells names apart; nothing rests on it being hard to forge. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}

/** cyrb53's two halves, all 64 bits of them, as 16 hex digits. */
function longHash(text: string): string {
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), 2_654_435_761)
    high = Math.imul(high ^ text.charCodeAt(i), 1_597_334_677)
  }
  const mix = (a: number, b: number): number =>
    Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909)
  return [mix(low, high), mix(high, low)].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
}
