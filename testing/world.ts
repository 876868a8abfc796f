/** What a test is played in: what it has made up, what there is to run, and what the run has written so far. */
import type { JsonObject } from '../lib/json.ts'
import type { Known } from '../manifests/known.ts'
import { CodedError } from '../schemas/errors.ts'
import type { PolicySpec } from '../schemas/manifests.ts'
import type { Requester, Stage, WriteStatus } from '../schemas/run.ts'
import type { StepError } from '../workflows/interpreter/state.ts'
import type { Fixtures } from './fixtures.ts'
import type { Performed } from './simulate.ts'

export interface World {
  fixtures: Fixtures
  known: Known
  policies: readonly { name: string; spec: PolicySpec }[]
  requester: Requester
  /** Every round of every write, in the order in which they were planned. */
  writes: WriteRecord[]
  /** Questions, in the order in which they were put. */
  asked: AskRecord[]
  /** What the code of each step said, in its last try. */
  logs: Map<string, string[]>
  /** What helps to understand a course that nobody expected. */
  notes: Set<string>
}

/** Where in the test the run is: `settle/` for one that the step `settle` started. */
export interface Standing {
  automation: string
  prefix: string
  depth: number
}

/** The test does not say enough for the run to go on. */
export class TestGap extends Error {}

export interface AskRecord {
  path: string
  title: string
  markdown: string
  /** Who is asked. */
  of: { roles: string[]; people: string[] }
  /** Codes of answers that did not count. */
  refused: string[]
}

/** One round of one write. */
export interface WriteRecord {
  path: string
  id: string
  connection: string
  operation: string
  arguments: JsonObject
  /** `policy/rule` */
  rule: string
  /** Who is asked; empty if nobody is. */
  asks: Stage[]
  status: WriteStatus | 'waiting'
  /** Codes of decisions that did not count. */
  refused: string[]
  endsAtMs: number
}

export function failed({ code, message }: StepError, atMs: number): Performed {
  return { atMs, settled: { status: 'failed', output: null, error: { code, message } } }
}

/** What the code of the table says a real call would have ended with. */
export function stepErrorOf(error: unknown): StepError {
  if (!(error instanceof CodedError)) throw error
  return { code: error.code, message: error.message }
}
