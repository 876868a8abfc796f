/**
 * How many calls of one organization a worker makes at a time: fewer than it can, so that slow servers of one, or of
 * several, never hold all of its places. A call over its share gives its place back at once and comes again a little later.
 */
import { createPlaces } from '../lib/places.ts'
import { CodedError } from '../schemas/errors.ts'

/** A worker of Temporal performs 100 activities at a time unless its operator says otherwise. */
const CALLS = { total: 100, perOwner: 75 }
/** Waits for other executions: those over it look every few seconds, and the calls that they wait for find places. */
export const WAITS = { total: Infinity, perOwner: 10 }
/** Long enough that a thousand of them do not keep a worker busy with refusing them. */
const COME_BACK_MS = 5_000

export type InShare = <T>(organization: string, work: () => Promise<T>) => Promise<T>

/** Throws ORGANIZATION_BUSY. */
export function createShares(room = CALLS): InShare {
  const places = createPlaces(room)
  return async (organization, work) => {
    const giveBack = places.take(organization)
    if (!giveBack) {
      const message = `as many calls of ${organization || 'no organization'} are under way as this worker makes of one`
      throw new CodedError('ORGANIZATION_BUSY', message, { nextRetryDelayMs: COME_BACK_MS })
    }
    try {
      return await work()
    } finally {
      giveBack()
    }
  }
}
