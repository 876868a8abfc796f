/**
 * What a recorded history has to say of the steps of its plan: on which a run stands, which are over. What the corpus
 * has to hold follows from the types of steps, so that a new type cannot come without histories.
 */
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import type { BlockStep, PlanStep } from '../../schemas/planned.ts'
import type { ReadyStep } from '../../workflows/interpreter/turn.ts'
import { workflowTypeOf, type HistoryEvent, type RecordedHistory } from './histories.ts'

type Blocks = BlockStep['type']
type Ends = Exclude<PlanStep['type'], ReadyStep['type'] | Blocks>

/** What a step of each type becomes in the history of its run. */
const BECOMES: Record<ReadyStep['type'], string> = {
  call: 'perform',
  writeback: WORKFLOW_TYPES.writeback,
  code: 'runCode',
  ask: WORKFLOW_TYPES.approval,
  run_automation: WORKFLOW_TYPES.automation,
  sleep: 'timer',
}
const BLOCKS: Record<Blocks, true> = { choose: true, for_each: true, parallel: true }
const ENDS: Record<Ends, true> = { return: true, fail: true }
/** Activities of a dry run; its deadline is a timer of its own. */
const DRY = ['preview', 'runCode']

/** `<workflow>: <what> <parked|over>`, all that has to be there. */
export function demandedCourses(): string[] {
  const both = (type: string, whats: readonly string[]): string[] =>
    whats.flatMap((what) => [`${type}: ${what} parked`, `${type}: ${what} over`])
  return [
    ...both(WORKFLOW_TYPES.automation, [...Object.values(BECOMES), ...Object.keys(BLOCKS)]),
    ...Object.keys(ENDS).map((what) => `${WORKFLOW_TYPES.automation}: ${what} over`),
    ...both(WORKFLOW_TYPES.dryRun, DRY),
  ].sort()
}

const OVER = /^EVENT_TYPE_WORKFLOW_EXECUTION_(?:COMPLETED|FAILED|CANCELED)$/
const BEGINS = /_ACTIVITY_TASK_SCHEDULED$|_TIMER_STARTED$|_CHILD_WORKFLOW_EXECUTION_INITIATED$/
const ENDED =
  /_(?:ACTIVITY_TASK|CHILD_WORKFLOW_EXECUTION)_(?:COMPLETED|FAILED|TIMED_OUT|CANCELED|TERMINATED)$|_TIMER_(?:FIRED|CANCELED)$/

/** The same of one history. A block is where its run is: parked if something of it is under way. */
export function coursesOf({ history: { events } }: Pick<RecordedHistory, 'history'>): string[] {
  const type = workflowTypeOf({ events })
  const isOver = events.some(({ eventType }) => OVER.test(eventType))
  const under = isOver ? commandsOf(events).map(({ name }) => name) : openIn(events)
  const steps = type === WORKFLOW_TYPES.automation ? plannedTypes(events) : []
  const blocks = steps.filter((step) => step in BLOCKS && (isOver || under.length > 0))
  const ends = steps.filter((step) => step in ENDS && isOver)
  return [...under, ...blocks, ...ends].map((what) => `${type}: ${what} ${isOver ? 'over' : 'parked'}`)
}

interface Command {
  eventId: string
  name: string
}

type Attributes = Record<string, { name?: string } | undefined> &
  Record<`${string}EventId`, string | undefined>

function attributesOf(event: HistoryEvent): Attributes {
  const [, attributes] = Object.entries(event).find(([name]) => name.endsWith('EventAttributes')) ?? []
  return attributes as Attributes
}

function commandsOf(events: readonly HistoryEvent[]): Command[] {
  return events
    .filter(({ eventType }) => BEGINS.test(eventType))
    .map((event) => {
      const { activityType, workflowType } = attributesOf(event)
      return { eventId: String(event['eventId']), name: (activityType ?? workflowType)?.name ?? 'timer' }
    })
}

/** Names of activities and children that are under way, and `timer`. */
function openIn(events: readonly HistoryEvent[]): string[] {
  const ended = events
    .filter(({ eventType }) => ENDED.test(eventType))
    .map((event) => {
      const { scheduledEventId, initiatedEventId, startedEventId } = attributesOf(event)
      return scheduledEventId ?? initiatedEventId ?? startedEventId
    })
  return commandsOf(events)
    .filter(({ eventId }) => !ended.includes(eventId))
    .map(({ name }) => name)
}

/** Of the steps of the plan, wherever they stand; it is the second argument of a run. */
function plannedTypes(events: readonly HistoryEvent[]): string[] {
  const { input } = attributesOf(events[0] as HistoryEvent) as unknown as {
    input: { payloads: { data: string }[] }
  }
  const plan = Buffer.from(input.payloads[1]?.data ?? '', 'base64').toString()
  return [...plan.matchAll(/"type":"(\w+)","name"/g)].map(([, type = '']) => type)
}
