/**
 * What one automation, one run and one message may be at most: each lies below what Temporal takes, whose answer would
 * be to terminate the run. Workflow code imports this file.
 */
const KB = 1024
const MB = 1024 * KB

export const LIMITS = {
  /** LIMIT_EXCEEDED; in one manifest INVALID_MANIFEST at save. */
  stepsPerRun: 500,
  /** RUN_TOO_LARGE; Temporal ends a run at 51,200. */
  historyEvents: 20_000,
  /** RUN_TOO_LARGE; Temporal ends a run at 50 MB. */
  historyBytes: 20 * MB,
} as const

/** `5.0 MB`, `300 KB`. */
export function readableBytes(bytes: number): string {
  return bytes >= MB ? `${(bytes / MB).toFixed(1)} MB` : `${Math.ceil(bytes / KB)} KB`
}

/** Of one loop. */
export const MAX_ITEMS = 1_000
/** Of all loops of a run: a loop in a loop multiplies. */
export const MAX_ITEMS_OF_RUN = 10_000
export const MAX_BRANCHES = 20
export const MAX_CONCURRENCY = 20
/** Calls, sleeps and sub-runs at the same time, however blocks are nested. The server refuses a run with 2,000. */
export const MAX_UNDER_WAY = 100
/** How deep blocks may stand in each other. */
export const MAX_BLOCK_DEPTH = 8
/** A run that nobody's run started is 1 deep. */
export const MAX_RUN_DEPTH = 8
/** A year and a day. */
export const MAX_SLEEP_MS = 366 * 86_400_000
