/** Handler: what a run would do. */
import type { JsonValue } from '../../lib/json.ts'
import { DRY_RUN_VALUES_BYTES, jsonBytes } from '../../lib/limits.ts'
import type { DryRunResult, DryStep, WouldWrite } from '../../schemas/dry-run.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import type { DryRunView, DryStepView } from '../../schemas/operations/dry-runs.ts'
import { findStep } from '../../schemas/step-tree.ts'
import { dryRun, moreDryRunFaults } from '../dry-runs.ts'
import { workflowUrl } from '../temporal.ts'
import { implement } from './implement.ts'

const play = implement(
  OPERATIONS.dryRun,
  async (deps, { params, body, principal }) => {
    const { result, spec, revision, workflowId } = await dryRun(deps, {
      organization: principal.organization,
      automation: params.name,
      input: body.input as JsonValue,
      requester: { principal: principal.id, kind: principal.kind, onBehalfOf: body.on_behalf_of },
      answers: body.answers as Record<string, JsonValue>,
    })
    const { state, output, error } = result
    const fits = createBudget()
    const steps = result.steps.map((step) => stepView(step, spec, fits))
    const problems = [...problemsOf(result), ...unusedAnswers(steps, body.answers)]
    return {
      automation: params.name,
      revision,
      state,
      output,
      failure: error,
      steps,
      problems,
      temporal_workflow_id: workflowId,
      temporal_ui_url: workflowUrl(deps.temporal, workflowId),
    }
  },
  moreDryRunFaults,
)

type Fits = (value: JsonValue) => boolean

/** All values together; each of them is short enough already. */
function createBudget(): Fits {
  let spentBytes = 0
  return (value) => {
    const bytes = jsonBytes(value)
    if (spentBytes + bytes > DRY_RUN_VALUES_BYTES) return false
    spentBytes += bytes
    return true
  }
}

function stepView(step: DryStep, spec: AutomationSpec, fits: Fits): DryStepView {
  const { path, output = null, wouldAsk, wouldStart, wouldWrite } = step
  const isShown = fits(output)
  return {
    path,
    state: stateOf(step),
    output: isShown ? output : null,
    output_omitted: step.isOutputOmitted === true || !isShown,
    logs: step.logs ?? [],
    error: step.error ?? null,
    needs: step.needs === undefined ? [] : [step.needs],
    would_write: wouldWrite ? writeView(wouldWrite, fits) : null,
    would_ask: wouldAsk
      ? { ...wouldAsk, markdown: fits(wouldAsk.markdown) ? wouldAsk.markdown : '', asks: askedBy(spec, path) }
      : null,
    would_start: wouldStart
      ? { ...wouldStart, input: fits(wouldStart.input) ? wouldStart.input : null }
      : null,
    would_sleep_ms: step.wouldSleepMs ?? null,
  }
}

function writeView({ preview, ...write }: WouldWrite, fits: Fits): NonNullable<DryStepView['would_write']> {
  const changes = preview.changes.map((change) =>
    fits([change.before, change.after]) ? change : { ...change, before: null, after: '… (not shown)' },
  )
  const { rule, asks, refusal: refused, heldBecause: held_because } = write
  return { preview: { ...preview, changes }, rule, asks, refused, held_because }
}

function stateOf({ status, wouldWrite, wouldAsk, wouldStart }: DryStep): DryStepView['state'] {
  if (status !== 'completed') return status
  if (wouldWrite) return 'would_write'
  if (wouldAsk) return 'would_ask'
  return wouldStart ? 'would_start' : 'completed'
}

function askedBy(spec: AutomationSpec, path: string) {
  const step = findStep(spec.steps, path)
  if (!step || !('ask' in step)) return []
  const { roles, people } = step.ask.of
  return [{ roles, people, quorum: 1 }]
}

function problemsOf({ steps, unknown, omittedSteps, isOutOfTime }: DryRunResult): DryRunView['problems'] {
  const stuck = steps.flatMap(({ path, needs }) =>
    needs === undefined
      ? []
      : [{ path, message: `it needs the output of ${needs}, ${whyNone(steps, needs)}` }],
  )
  const inResult = [...new Set(unknown)].map((need) => ({
    path: '',
    message: `the result holds the output of ${need}, ${whyNone(steps, need)}`,
  }))
  const late = isOutOfTime ? [{ path: '', message: 'it was ended after 40 seconds' }] : []
  const more = omittedSteps > 0 ? [{ path: '', message: `${omittedSteps} more steps are not shown` }] : []
  return [...stuck, ...inResult, ...late, ...more]
}

function unusedAnswers(steps: readonly DryStepView[], answers: object): DryRunView['problems'] {
  const used = new Set(steps.flatMap((step) => (step.state.startsWith('would_') ? [step.path] : [])))
  return Object.keys(answers).flatMap((path) =>
    used.has(path) ? [] : [{ path, message: 'its answer was not used: it was not reached, or only reads' }],
  )
}

function whyNone(steps: readonly DryStep[], path: string): string {
  const step = steps.find((candidate) => candidate.path === path)
  if (step?.wouldAsk) return 'which people would be asked for'
  return step?.wouldStart ? 'which would be another run' : 'which would be written'
}

export const dryRunOperations = [play]
