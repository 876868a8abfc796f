/** How a write is brought to a position and kept there: by holding what it sends next, from outside. */
import type { TcpProxy } from '../../support/tcp-proxy.ts'
import type { Position, Variant } from './cells.ts'
import type { Stack } from './stack.ts'

export interface Fault {
  /** Where the write is held; null where nothing needs to be held. */
  proxy: TcpProxy | null
  arm(): void
}

const CLAIM = 'from claim_sending('
const CLOSE = 'outcome = $3::jsonb'
const TOOL_CALL = '"tools/call"'

/** To be armed when the write waits for approval: looking and planning are over then. */
export function faultAt(
  stack: Stack,
  position: Position,
  { variant, holdsCommit }: { variant: Variant; holdsCommit: boolean },
): Fault {
  const target = variant === 'sql' ? stack.shop : stack.tools
  switch (position) {
    case 'waiting':
    case 'resume':
    case 'over':
      return { proxy: null, arm: () => undefined }
    case 'intent':
      return { proxy: stack.ledger, arm: () => stack.ledger.holdFrom(CLAIM) }
    case 'call':
      return { proxy: target, arm: () => target.holdFrom(variant === 'sql' ? 'begin' : TOOL_CALL) }
    case 'answer':
      return {
        proxy: target,
        arm: () => target.swallowAnswersAfter(variant === 'sql' ? 'commit' : TOOL_CALL),
      }
    case 'record':
      return {
        proxy: stack.ledger,
        arm: () => (holdsCommit ? stack.ledger.holdFrom('commit', CLOSE) : stack.ledger.holdFrom(CLOSE)),
      }
    default:
      return position satisfies never
  }
}
