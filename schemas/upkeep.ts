/** What the jobs that keep the house in order report; they are results of workflows, and `doctor` reads them. */
import { z } from 'zod'

export const ReconcileReportSchema = z.object({
  /** Open rows that were looked at. */
  looked: z.int(),
  withdrawn: z.int(),
  unknown: z.int(),
  approvals: z.int(),
  /** Approvals that were alive, and were told what the ledger has as decided: Temporal was restored. */
  reminded: z.int().default(0),
  /** Rows that could not be closed, and approvals that could not be told; the next round tries again. */
  failed: z.int(),
  /** Rows of executions that Temporal does not know, of which nothing is concluded: it knows none of our runs. */
  doubted: z.int().default(0),
  /** Rows that no worker has planned as they are: somebody has changed the ledger, and nothing is signed of them. */
  unproven: z.int().default(0),
  /** Where the next pass goes on; empty for the start. */
  next: z.object({
    /** Ids after which. */
    writeback: z.string(),
    approval: z.string(),
    /** A time before which the approvals that are alive have started. */
    alive: z.string().default(''),
  }),
  clock: z.object({
    /** The worker's clock. */
    at_ms: z.number(),
    database_ahead_ms: z.number(),
    /** When Temporal scheduled the pass, by its own clock: not later than `at_ms`, if both go right. */
    temporal_ms: z.number(),
  }),
})
export type ReconcileReport = z.infer<typeof ReconcileReportSchema>

export interface RetentionReport {
  deliveries: number
  payloads: number
  /** Where the next part goes on; null when all is done. */
  next: RetentionPosition | null
}

export interface RetentionPosition {
  /** As PostgreSQL gives it, to the microsecond. */
  receivedAt: string
  id: string
}
