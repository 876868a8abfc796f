/**
 * Looks every two seconds whether Temporal is there, for all who want to know: says in the log when it goes and comes,
 * tells the front door and the relay, and makes the Schedules as soon as it can.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { temporalAnswers } from './health.ts'
import { ensureSchedules } from './schedules.ts'
import type { Log, TemporalAccess } from './temporal.ts'

const INTERVAL_MS = 2_000

export async function watchTemporal(
  temporal: TemporalAccess,
  logger: Log,
  stopped: AbortSignal,
): Promise<void> {
  let wasThere = true
  let hasSchedules = false
  while (!stopped.aborted) {
    const isThere = await temporalAnswers({ temporal })
    if (stopped.aborted) return
    temporal.presence.note(isThere)
    if (isThere && !wasThere) logger.info({}, 'Temporal answers')
    if (!isThere && wasThere) {
      logger.warn(
        { namespace: temporal.namespace },
        'Temporal does not answer: what arrives is kept as pending; set TEMPORAL_ADDRESS, or start it',
      )
    }
    // Again after each absence: it may have come back without them.
    if (!isThere) hasSchedules = false
    else if (!hasSchedules) hasSchedules = await makeSchedules(temporal, logger)
    wasThere = isThere
    await sleep(INTERVAL_MS, undefined, { signal: stopped }).catch(() => undefined)
  }
}

async function makeSchedules(temporal: TemporalAccess, logger: Log): Promise<boolean> {
  try {
    await ensureSchedules(temporal)
    return true
  } catch (error) {
    logger.warn({ err: error }, 'the Schedules of the reconciler and of retention could not be made yet')
    return false
  }
}
