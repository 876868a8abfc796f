/** Which runs do not move although nobody has to decide anything, and what each of them is waiting for. */
import { findRunsByWorkflow, type RunRow } from '../../db/queries/delivery-lists.ts'
import { shellWord } from '../../lib/shell-text.ts'
import type { Check } from '../../schemas/operations/health.ts'
import type { HeldUp } from '../../schemas/operations/runs.ts'
import type { ApiDeps } from '../deps.ts'
import { failedTaskOf } from '../failed-task.ts'
import { heldUpBy } from '../held-up.ts'
import { attemptsOf } from '../run-history.ts'
import { describeRun } from '../run-state.ts'
import { listExecutions } from '../run-visibility.ts'
import { ok, warn } from './check.ts'

/** Newest first; each is one question to Temporal. */
const MAX_LOOKED_AT = 50
/** Of those with something under way, the history is read. */
const MAX_READ = 20
const MAX_NAMED = 5
const LOOKS_AT_ONCE = 8
/** A younger one may just have begun. */
const YOUNGEST_MS = 10_000
const NOBODY: ReadonlySet<string> = new Set()

export interface HeldUpRun {
  runId: string
  heldUp: HeldUp
}

export async function runsChecks(deps: ApiDeps, organization: string): Promise<Check[]> {
  const { workflowIds } = await listExecutions(deps.temporal, {
    organization,
    state: 'running',
    until: new Date(Date.now() - YOUNGEST_MS).toISOString(),
    limit: MAX_LOOKED_AT,
  })
  const rows = await findRunsByWorkflow(deps.database, { organization, workflowIds })
  const found: HeldUpRun[] = []
  let read = 0
  for (let from = 0; from < rows.length; from += LOOKS_AT_ONCE) {
    const group = rows.slice(from, from + LOOKS_AT_ONCE)
    const held = await Promise.all(group.map((row) => look(deps, row, () => read++ < MAX_READ)))
    found.push(...held.flat())
  }
  return judgeRuns(found, { looked: rows.length, isCut: workflowIds.length === MAX_LOOKED_AT })
}

async function look({ temporal }: ApiDeps, row: RunRow, mayRead: () => boolean): Promise<HeldUpRun[]> {
  const { workflow_id: workflowId, run_id: runId } = row
  const { execution, temporal_run_id } = await describeRun(temporal, workflowId, 'no_longer_kept')
  if (!execution || !temporal_run_id) return []
  const { pendingActivities, pendingChildren } = execution
  const isBusy = pendingActivities.length > 0 || pendingChildren > 0
  const named = { workflowId, runId: temporal_run_id }
  const [attempts, failedTask] = await Promise.all([
    isBusy && mayRead() ? attemptsOf(temporal, named, { facts: execution, waiting: NOBODY }) : [],
    failedTaskOf(temporal, named, execution),
  ])
  return heldUpBy(attempts, { ...execution, failedTask }, Date.now()).map((heldUp) => ({ runId, heldUp }))
}

export function judgeRuns(
  found: readonly HeldUpRun[],
  { looked, isCut }: { looked: number; isCut: boolean },
): Check[] {
  const name = 'runs'
  if (found.length === 0) {
    const which = isCut ? `the newest ${looked} that are under way` : `${looked} are under way`
    return [ok(name, `No run is held up: ${which}.`)]
  }
  const named = found
    .slice(0, MAX_NAMED)
    .map(({ runId, heldUp: { summary, action } }) => warn(name, `${runId} does not move: ${summary}`, action))
  const rest = found.length - named.length
  if (rest === 0) return named
  const runs = new Set(found.slice(MAX_NAMED).map(({ runId }) => runId))
  const [first = ''] = runs
  const more = `${rest} more steps do not move, of ${runs.size} runs.`
  return [...named, warn(name, more, `Look at them: \`countersign runs show ${shellWord(first)}\`.`)]
}
