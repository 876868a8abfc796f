/** Bounds of a run, checked when an automation is saved and again while it runs. Below Temporal's own, whose answer is to terminate. */

/** Of one list, and of a run outside of loops. */
export const MAX_STEPS = 500
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
export const MAX_HISTORY_EVENTS = 20_000
export const MAX_HISTORY_BYTES = 20 * 1024 * 1024
/** A year and a day. */
export const MAX_SLEEP_MS = 366 * 86_400_000
