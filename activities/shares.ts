/**
 * How many calls of one organization a worker makes at a time: fewer than it can, so that slow servers of one never hold
 * all of its places. A call over its share gives its place back at once and comes again a little later.
 */
import { CodedError } from '../schemas/errors.ts'

/** A worker of Temporal performs 100 activities at a time unless its operator says otherwise. */
const MAX_CALLS_OF_ORGANIZATION = 75
/** Long enough that a thousand of them do not keep a worker busy with refusing them. */
const COME_BACK_MS = 5_000

export type InShare = <T>(organization: string, work: () => Promise<T>) => Promise<T>

/** Throws ORGANIZATION_BUSY. */
export function createShares(most = MAX_CALLS_OF_ORGANIZATION): InShare {
  const underWay = new Map<string, number>()
  return async (organization, work) => {
    const before = underWay.get(organization) ?? 0
    if (before >= most) {
      const message = `${before} calls of ${organization || 'no organization'} are under way in this worker`
      throw new CodedError('ORGANIZATION_BUSY', message, { nextRetryDelayMs: COME_BACK_MS })
    }
    underWay.set(organization, before + 1)
    try {
      return await work()
    } finally {
      const left = (underWay.get(organization) ?? 1) - 1
      if (left > 0) underWay.set(organization, left)
      else underWay.delete(organization)
    }
  }
}
