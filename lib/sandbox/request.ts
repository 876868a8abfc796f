/** What goes into the sandbox and comes out of it: plain data, copied from thread to thread. */
import type { ErrorCode } from '../../schemas/errors.ts'
import type { LogLine } from '../../schemas/run.ts'

/** `check`: read the source, run nothing. */
export type SandboxRequest =
  | { kind: 'check'; source: string; timeoutMs: number }
  | {
      kind: 'run'
      source: string
      /** JSON of `ctx`. */
      contextText: string
      timeoutMs: number
      /** Of the clock inside, which stands still. */
      nowMs: number
      seed: string
    }

/** `outputText`: JSON, bounded in length and depth. */
export type SandboxAnswer =
  | { ok: true; outputText: string; logs: LogLine[] }
  | { ok: false; code: Extract<ErrorCode, SandboxCode>; message: string; logs: LogLine[] }

type SandboxCode = 'CODE_FAILED' | 'CODE_TIMEOUT' | 'LIMIT_EXCEEDED' | 'VALUE_TOO_LARGE'
