/**
 * Starts deliveries that were stored and not started: because Temporal was away, or the API that took them has died. It
 * is told by PostgreSQL, and looks every 5 s in case nobody tells it. As many relays as there are API processes work
 * side by side: a delivery is leased to one of them at a time. While Temporal is away it rests. A delivery that Temporal
 * refuses stays `pending` and is tried at ever longer intervals, at the end every ten minutes; it holds up no other one,
 * and `countersign doctor` names it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { listCancelledRuns } from '../db/queries/deliveries.ts'
import { claimDueDeliveries, DELIVERIES_CHANNEL, type DueDelivery } from '../db/queries/relay.ts'
import { inLanes } from '../lib/lanes.ts'
import { attemptStart, putOff, type StartDeps } from './deliveries/start.ts'
import type { Log } from './temporal.ts'

const POLL_MS = 5_000
const BATCH = 20
const LANES = 4
/** Well over what a batch takes: five starts, one after the other, of 3 s each at most. */
const LEASE_MS = 30_000
const RECONNECT_MS = 5_000

export interface Relay {
  /** What is under way is finished, what is not is left to others. Resolves when it holds no connection any more. */
  stop(): Promise<void>
}

export function startRelay(deps: StartDeps): Relay {
  const stopped = new AbortController()
  const bell = createBell()
  const forget = deps.temporal.presence.onReturn(bell.ring)
  const loops = [relayUntil(deps, stopped.signal, bell), listenUntil(deps, stopped.signal, bell.ring)]
  return {
    async stop() {
      forget()
      stopped.abort()
      bell.ring()
      await Promise.all(loops)
    },
  }
}

async function relayUntil(deps: StartDeps, stopped: AbortSignal, bell: Bell): Promise<void> {
  while (!stopped.aborted) {
    try {
      await startWhatIsDue(deps, stopped)
    } catch (error) {
      // PostgreSQL is away: the poll is pause enough.
      deps.logger.warn({ err: error }, 'the relay could not look for deliveries')
    }
    if (!stopped.aborted) await bell.wait(POLL_MS)
  }
}

/** Until nothing is due any more, or Temporal has gone. */
export async function startWhatIsDue(deps: StartDeps, stopped: AbortSignal): Promise<void> {
  const isOver = (): boolean => stopped.aborted || deps.temporal.presence.isAway()
  while (!isOver()) {
    const batch = await claimDueDeliveries(deps.database, { limit: BATCH, leaseMs: LEASE_MS })
    if (batch.length === 0) return
    await inLanes(batch, LANES, (delivery) => relay(deps, delivery, isOver()))
  }
}

async function relay(deps: StartDeps, delivery: DueDelivery, isOver: boolean): Promise<void> {
  const { database, logger } = deps
  // A claim is up to half a minute old: what was cancelled since is not started.
  const cancelled_run_ids = await listCancelledRuns(database, delivery.id)
  const attempt = isOver
    ? ({ kind: 'away', error: null } as const)
    : await attemptStart(deps, { ...delivery, cancelled_run_ids })
  const fields = { deliveryId: delivery.id, attempts: delivery.attempts }
  if (attempt.kind === 'started') return logger.info(fields, 'a delivery that was pending is started')
  if (attempt.kind === 'refused')
    logger.error({ ...fields, err: attempt.error }, 'Temporal refuses a delivery; it is tried again later')
  await putOff(database, delivery.id, attempt)
}

/** Holds one connection of the pool for as long as it listens. */
async function listenUntil(
  { database, logger }: { database: Database; logger: Log },
  stopped: AbortSignal,
  onNotify: () => void,
): Promise<void> {
  while (!stopped.aborted) {
    try {
      await listenOnce(database, stopped, onNotify)
    } catch (error) {
      logger.warn({ reason: String(error) }, 'the relay hears nothing from PostgreSQL; it goes on looking')
      await sleep(RECONNECT_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
}

async function listenOnce(database: Database, stopped: AbortSignal, onNotify: () => void): Promise<void> {
  const client = await database.connect()
  try {
    const broken = new Promise<never>((_resolve, reject) => {
      client.once('error', reject)
      client.once('end', () => reject(new Error('the connection was closed')))
    })
    client.on('notification', onNotify)
    await Promise.race([client.query(`listen ${DELIVERIES_CHANNEL}`), broken])
    await Promise.race([untilAborted(stopped), broken])
  } finally {
    // Closed, so that nobody else gets a connection that listens.
    client.release(true)
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

interface Bell {
  ring: () => void
  /** Until it rings, or has rung since the last wait, or the time is over. */
  wait(timeoutMs: number): Promise<void>
}

function createBell(): Bell {
  let hasRung = false
  let wake: (() => void) | undefined
  return {
    ring() {
      hasRung = true
      wake?.()
    },
    async wait(timeoutMs) {
      if (!hasRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      wake = undefined
      hasRung = false
    },
  }
}
