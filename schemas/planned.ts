/** What an automation revision compiles to: enough to run it without asking anybody. Types only; workflows use them. */
import type { JsonObject, JsonValue } from '../lib/json.ts'

export interface Plan {
  automation: string
  revision: number
  steps: PlanStep[]
}

/** `operation` is the tool's name for an MCP server, the kind of statement for a database. */
export interface PlannedCall {
  connection: string
  operation: string
  arguments: JsonObject
  raisedToWrite: boolean
}

export interface PlannedRetry {
  /** The first one included. */
  maxAttempts: number
  backoffMs: number
}

interface Common {
  name: string
  if?: string
  /** Absent: a failure ends the block. */
  onError?: 'continue'
}

export interface CallStep extends Common {
  type: 'call' | 'writeback'
  timeoutMs: number
  /** A text of arguments is one `${{ … }}` that gives them all. */
  call: Omit<PlannedCall, 'arguments'> & { arguments: JsonObject | string }
  retry?: PlannedRetry
}

export interface RunAutomationStep extends Common {
  type: 'run_automation'
  automation: string
  input: JsonObject
}

export interface CodeStep extends Common {
  type: 'code'
  source: string
  timeoutMs: number
  retry?: PlannedRetry
}

/** Whom to ask, and the form, are looked up in the revision. */
export interface AskStep extends Common {
  type: 'ask'
  title: string
  markdown: string
  /** `role finance`, for people; not there in plans of older versions. */
  whom?: string
  expiresAfterMs: number
}

export interface SleepStep extends Common {
  type: 'sleep'
  /** Milliseconds, or an expression for a time. */
  sleep: { forMs: number } | { until: string }
}

export interface ReturnStep extends Common {
  type: 'return'
  value: JsonValue
}

export interface FailStep extends Common {
  type: 'fail'
  code: string
  message: string
}

export interface ChooseStep extends Common {
  type: 'choose'
  branches: { when: string; steps: PlanStep[] }[]
  otherwise?: PlanStep[]
}

export interface ForEachStep extends Common {
  type: 'for_each'
  items: string
  concurrency: number
  steps: PlanStep[]
}

export interface ParallelStep extends Common {
  type: 'parallel'
  concurrency: number
  branches: Record<string, PlanStep[]>
}

/** A step with steps inside. */
export type BlockStep = ChooseStep | ForEachStep | ParallelStep

/** Expressions are CEL; strings inside `arguments`, `input`, `value` and `message` may hold `${{ … }}`. */
export type PlanStep =
  CallStep | RunAutomationStep | CodeStep | AskStep | SleepStep | ReturnStep | FailStep | BlockStep
