/** Everything that the model speaks of, as the product shows it and as the target has it. */
import { WorkflowNotFoundError } from '@temporalio/client'
import { loadTrustedKeys, publicKeysFile } from '../../../lib/keys.ts'
import { verifyReceipts } from '../../../lib/receipts.ts'
import { ApiError, receiptsOf } from '../../../sdk/client/index.ts'
import { patiently } from '../patience.ts'
import type { Observed } from './model.ts'
import { workflowIdOf, type Subject } from './perform.ts'
import type { Scene } from './scene.ts'

const BACK_PATIENCE_MS = 60_000

/** While a store goes back, nobody answers for a moment. */
export function observe(scene: Scene, subject: Subject): Promise<Observed> {
  if (!scene.goesBack) return look(scene, subject)
  return patiently('it is shown', BACK_PATIENCE_MS, () => look(scene, subject))
}

async function look(scene: Scene, subject: Subject): Promise<Observed> {
  const { world } = scene.scenario
  // First what acts, then what it did: the other way round, something could be done and over in between.
  const alive = {
    run: await isAlive(scene, subject, 'run'),
    writeback: await isAlive(scene, subject, 'writeback'),
    approval: await isAlive(scene, subject, 'approval'),
  }
  const run = await world.admin.getRun({ run_id: subject.runId }).catch((error: unknown) => {
    if (scene.goesBack && error instanceof ApiError && error.status === 404) return null
    throw error
  })
  if (run === null) return { ...FORGOTTEN, alive, effects: await effectsOf(scene, subject) }
  const { receipts, head } = await receiptsOf(world.admin, subject.runId)
  const keys = loadTrustedKeys(publicKeysFile(world.keysFolder))
  const envelopes = receipts.map(({ envelope }) => envelope)
  const headInResult = run.receipts_head ?? undefined
  const { statements, problems } = verifyReceipts(envelopes, keys, head ?? { seq: 0, sha256: null }, {
    id: subject.runId,
    result: headInResult,
  })
  return {
    run: run.state,
    rows: run.writebacks.map(({ state }) => state),
    inbox: run.approvals.map(({ state }) => state),
    receipts: statements.map(({ predicateType, predicate }) =>
      predicateType.includes('decision')
        ? `${String(predicate['verdict'])} by ${String(predicate['principal']).split('@')[0]}`
        : `outcome ${String(predicate['status'])}`,
    ),
    receiptsInResult: headInResult?.count ?? null,
    problems: problems.map(({ position, problem }) => `receipt ${position} ${problem}`),
    effects: await effectsOf(scene, subject),
    alive,
  }
}

const FORGOTTEN: Omit<Observed, 'alive' | 'effects'> = {
  run: 'forgotten',
  rows: [],
  inbox: [],
  receipts: [],
  receiptsInResult: null,
  problems: [],
}

async function isAlive(
  scene: Scene,
  subject: Subject,
  what: 'run' | 'writeback' | 'approval',
): Promise<boolean> {
  try {
    const workflowId = workflowIdOf(scene, subject, what)
    const { status } = await scene.scenario.world.temporal.workflow.getHandle(workflowId).describe()
    return status.name === 'RUNNING'
  } catch (error) {
    // A write that policy allows has no execution of its own; and Temporal may have forgotten all of it.
    if (error instanceof WorkflowNotFoundError) return false
    throw error
  }
}

async function effectsOf(
  { scenario }: Scene,
  { history, account, runId, workflowId }: Subject,
): Promise<number> {
  if (history.write === 'sql') {
    const { rows } = await scenario.shop.query<{ count: number }>(
      'select count(*)::integer as count from changes where account = $1',
      [account],
    )
    return rows[0]?.count ?? Number.NaN
  }
  const calls = scenario.notes({ runId, workflowId, account })
  if (history.write === 'never') return calls.length
  return new Set(calls.map(({ meta }) => meta?.['countersign/idempotencyKey'])).size
}

/** What each open execution waits for. */
export async function describeOpen(scene: Scene, subject: Subject): Promise<string> {
  const lines: string[] = []
  for (const what of ['run', 'writeback', 'approval'] as const) {
    const workflowId = workflowIdOf(scene, subject, what)
    if (!(await isAlive(scene, subject, what))) continue
    const handle = scene.scenario.world.temporal.workflow.getHandle(workflowId)
    const [{ raw }, { events }] = [await handle.describe(), await handle.fetchHistory()]
    const activities = raw.pendingActivities?.map(({ activityType, attempt, state, lastFailure }) => {
      return `${activityType?.name} attempt ${attempt} ${state} ${lastFailure?.message ?? ''}`
    })
    const task = raw.pendingWorkflowTask
    const types = (events ?? []).slice(-8).map(({ eventType }) => eventType)
    const failures = (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
      failed ? [`${failed.cause} ${failed.failure?.message}`] : [],
    )
    const facts = { activities, task: task && `${task.state} attempt ${task.attempt}`, types, failures }
    lines.push(`  ${what} ${workflowId}: ${JSON.stringify(facts)}`)
  }
  return lines.join('\n')
}
