/** What code says with `console`, kept up to a limit of lines and bytes; what is dropped is counted. */
import type { LogLine } from '../../schemas/run.ts'
import { CODE_LOG_BYTES, CODE_LOG_LINES, utf8Bytes } from '../limits.ts'

export interface Log {
  add(level: string, text: string): void
  lines(): LogLine[]
}

const LEVELS = ['debug', 'log', 'info', 'warn', 'error'] as const

export function createLog(): Log {
  const kept: LogLine[] = []
  let bytes = 0
  let dropped = 0
  return {
    add: (said, text) => {
      bytes += utf8Bytes(text)
      if (dropped > 0 || kept.length >= CODE_LOG_LINES || bytes > CODE_LOG_BYTES) dropped++
      else kept.push({ level: LEVELS.find((level) => level === said) ?? 'log', text })
    },
    lines: () =>
      dropped === 0 ? kept : [...kept, { level: 'warn', text: `(${dropped} more lines were not kept)` }],
  }
}
