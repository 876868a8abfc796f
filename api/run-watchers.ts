/**
 * Callers that wait until a run changes. However many wait for one run, it is looked after once: every second one short
 * statement and one `describe`, and only if either shows something new, the whole of it. Nobody waits while the server
 * drains, and the number of those who wait is bounded, in all and of one organization.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { runStamp } from '../db/queries/run-stamp.ts'
import { digestOf } from '../lib/canonical-json.ts'
import type { JsonValue } from '../lib/json.ts'
import { onLimit, type Limit } from '../lib/on-limit.ts'
import { createPlaces } from '../lib/places.ts'
import { withResolvers } from '../lib/with-resolvers.ts'
import { CodedError } from '../schemas/errors.ts'
import type { RunView } from '../schemas/operations/runs.ts'
import type { ApiDeps } from './deps.ts'
import { describeRun } from './run-state.ts'
import { requireRun, runView, unknownIs, type RunName } from './run-view.ts'

const PULSE_MS = 1_000
/** An organization has at most half of each, so that another finds room. */
const WATCHED_RUNS = { total: 200, perOwner: 100 }
const CALLERS = { total: 1_000, perOwner: 500 }
const VERSION_DIGITS = 16
const OPEN_STATES = new Set(['pending', 'running', 'waiting_for_approval', 'waiting_for_resolution'])

export interface Seen {
  version: string
  /** Null if it is what the caller has already. */
  run: RunView | null
  isOver: boolean
}

export interface WaitParams {
  /** The version that the caller has. */
  after: string | undefined
  waitMs: number
  /** Of a caller who goes away. */
  signal: AbortSignal
}

export interface RunWatchers {
  /** The run as it is now if its version is not `after`, else as soon as that is so, or when the wait is over. */
  next(name: RunName, params: WaitParams): Promise<Seen>
  /** Answers everybody, and lets nobody wait any more. */
  close(): void
}

type LongWait = WaitParams & { after: string }

interface Waiting {
  after: string
  answer(seen: Seen | null): void
  fail(error: unknown): void
}

export function createRunWatchers(deps: ApiDeps): RunWatchers {
  const closed = new AbortController()
  const waitingFor = createWaitingLists(deps, closed.signal)
  const callers = createPlaces(CALLERS)

  async function wait(name: RunName, { after, waitMs, signal }: LongWait): Promise<Seen | null> {
    const giveBack = callers.take(name.organization)
    if (!giveBack) throw tooMany()
    try {
      return await answerAmong(waitingFor(name), {
        after,
        limit: { timeoutMs: waitMs, signals: [signal, closed.signal] },
      })
    } finally {
      giveBack()
    }
  }

  return {
    async next(name, { after, waitMs, signal }) {
      const seen = await look(deps, name)
      if (seen.version !== after) return seen
      const unchanged = { ...seen, run: null }
      if (seen.isOver || waitMs === 0) return unchanged
      return (await wait(name, { after, waitMs, signal })) ?? unchanged
    },
    close: () => closed.abort(),
  }
}

/** Who waits, by run. A run is looked after for as long as it has an entry. */
function createWaitingLists(deps: ApiDeps, closed: AbortSignal): (name: RunName) => Set<Waiting> {
  const waitingByRun = new Map<string, Set<Waiting>>()
  const watchedRuns = createPlaces(WATCHED_RUNS)
  return (name) => {
    const known = waitingByRun.get(name.runId)
    if (known) return known
    const giveBack = watchedRuns.take(name.organization)
    if (!giveBack) throw tooMany()
    const waiting = new Set<Waiting>()
    waitingByRun.set(name.runId, waiting)
    const end = (): void => {
      waitingByRun.delete(name.runId)
      giveBack()
    }
    void watch(deps, name, { waiting, closed, end })
    return waiting
  }
}

/** Null if the limit is reached before. */
async function answerAmong(
  waiting: Set<Waiting>,
  { after, limit }: { after: string; limit: Limit },
): Promise<Seen | null> {
  const { promise, resolve: answer, reject: fail } = withResolvers<Seen | null>()
  const entry: Waiting = { after, answer, fail }
  waiting.add(entry)
  const stopWatching = onLimit(limit, () => answer(null))
  try {
    return await promise
  } finally {
    waiting.delete(entry)
    stopWatching()
  }
}

interface Watch {
  waiting: ReadonlySet<Waiting>
  closed: AbortSignal
  /** In the same moment in which it is seen that nobody waits, so that nobody joins a watch that has ended. */
  end(): void
}

/** For as long as somebody waits. What goes wrong is told to all of them. Never throws. */
async function watch(deps: ApiDeps, name: RunName, { waiting, closed, end }: Watch): Promise<void> {
  let last = ''
  for (;;) {
    await sleep(PULSE_MS, undefined, { signal: closed }).catch(() => undefined)
    if (closed.aborted || waiting.size === 0) return end()
    try {
      const stamp = await stampOf(deps, name)
      if (stamp === last) continue
      last = stamp
      const seen = await look(deps, name)
      for (const each of waiting) if (each.after !== seen.version) each.answer(seen)
    } catch (error) {
      for (const each of waiting) each.fail(error)
    }
  }
}

async function look(deps: ApiDeps, name: RunName): Promise<Seen & { run: RunView }> {
  const run = await runView(deps, name)
  const version = digestOf(run as unknown as JsonValue).slice(0, VERSION_DIGITS)
  return { version, run, isOver: !OPEN_STATES.has(run.state) }
}

/** Cheap, and another one whenever the run may look different. */
async function stampOf(deps: ApiDeps, name: RunName): Promise<string> {
  const { delivery, run } = await requireRun(deps, name)
  const [rows, described] = await Promise.all([
    runStamp(deps.database, name),
    describeRun(deps.temporal, run.workflowId, unknownIs({ delivery, run })),
  ])
  const { historyLength, pendingActivities } = described.execution ?? {
    historyLength: 0,
    pendingActivities: [],
  }
  const attempts = pendingActivities.map(({ activityId, attempt, state }) => [activityId, attempt, state])
  return JSON.stringify([rows, described.state, historyLength, attempts])
}

function tooMany(): CodedError {
  return new CodedError(
    'TOO_MANY_WATCHERS',
    'As many callers of this organization wait for runs as this server lets wait.',
  )
}
