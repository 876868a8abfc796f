/**
 * What is kept how long: the one table of it, rendered as docs/reference/retention.md. Every table of the database has
 * its line here; a test compares. What deletes is `activities/retention.ts`, daily, for the lines that are not `always`.
 */
const DAY_MS = 24 * 3_600_000

/**
 * A delivery is how a resend finds what it has started, so it is kept as long as Temporal keeps any execution that came
 * of it, and 30 days at least, where the retention of the namespace is shorter.
 */
export const DELIVERY_MIN_AGE_MS = 30 * DAY_MS

/**
 * Ages at which large values are let go, younger first: one that was last used before the oldest execution in the
 * namespace started is named by no history. `last_used_at` may lag behind by two days, and one more is room between
 * asking Temporal and deleting.
 */
export const PAYLOAD_AGES_MS = [30, 60, 90, 180, 365, 730].map((days) => days * DAY_MS)
export const PAYLOAD_LAG_MS = 3 * DAY_MS

export interface RetentionRule {
  /** Of tables that live and die together. */
  tables: readonly string[]
  keep: string
  why: string
}

export const RETENTION: readonly RetentionRule[] = [
  {
    tables: ['deliveries', 'writebacks', 'approvals'],
    keep:
      '30 days from arrival, and longer while Temporal keeps any execution that came of the delivery, while it is ' +
      'pending, while a write of it is open or its outcome unknown, or while the delivery of the run around it is kept',
    why:
      'The delivery is what a resend is recognised by: Temporal refuses a second start by workflow id, and the id comes ' +
      'from the delivery, so without the row the same event would get a new id and start again. The door also checks ' +
      'the origin of each write against it, and a run that is reset finds the outcome of its writes in the ledger. They ' +
      'are deleted together: a ledger row that is gone before its delivery could be planned anew. A run that waits for ' +
      'long and is reset meets the sub-runs that it has started, however long ago they ended.',
  },
  {
    tables: ['payloads'],
    keep:
      'until they were last used three days before the first of 30, 60, 90, 180, 365 or 730 days ago of which Temporal ' +
      'keeps no older execution, open or closed',
    why:
      'Only histories name them. Whatever a history names was stored after its execution started or, after a Reset, ' +
      'read then.',
  },
  {
    tables: ['receipts', 'receipt_chains', 'decisions'],
    keep: 'always; a decision that no approval has recorded as long as its delivery',
    why: 'They are the evidence. They are listed by run also when the run itself is no longer known.',
  },
  {
    tables: ['manifests', 'revisions'],
    keep: 'always',
    why: 'Runs are pinned to revisions, and receipts name them.',
  },
  {
    tables: ['pauses'],
    keep: 'until it is resumed',
    why: 'A pause is state: when it is over, nothing rests on it.',
  },
  {
    tables: ['principals', 'roles', 'api_keys'],
    keep: 'always',
    why: 'Decisions and receipts name principals; a revoked key stays, so that its id never means anything else.',
  },
  {
    tables: ['tool_catalog', 'listing_warnings'],
    keep: 'until the connection is looked at again',
    why: 'What a server said last replaces what it said before.',
  },
  {
    tables: ['schema_migrations'],
    keep: 'always',
    why: 'It says what the database is.',
  },
]
