/** Doors to the wire: who is believed that a write was not sent, and what is looked at right before its bytes leave. */
import { anyJudgement, anyPurpose, type Door } from './door.ts'

const LYING = 'lying-servers.test.ts'
const WINDOW = 'lib/send-window.ts'

export const wire: Door[] = [
  {
    name: 'a server that says no is believed',
    patches: [
      {
        file: 'activities/executors/mcp-tool.ts',
        find: "return { ...answered, status: 'failed', mayHaveChanged: true }",
        replace: "return { ...answered, status: 'failed', mayHaveChanged: false }",
      },
    ],
    test: {
      file: LYING,
      title:
        'a server that pays and answers -32602, because its result violates its own schema, has paid once',
    },
    says: 'payments: expected',
  },
  {
    name: 'an error of a tool is believed where a key may be sent twice',
    patches: [
      {
        file: 'activities/executors/mcp-tool.ts',
        find: "mayHaveChanged: !settings.refusals?.includes('isError'),",
        replace: "mayHaveChanged: resendOf(settings) !== 'safe',",
      },
    ],
    test: {
      file: LYING,
      title: 'isError is not begun anew under another key, also where the same key may be sent twice',
    },
    says: "', 'account-",
  },
  {
    name: 'a write goes over a second session',
    patches: [
      {
        file: 'mcp/errors.ts',
        find: 'context.hasSession === true && !context.window)',
        replace: 'context.hasSession === true)',
      },
      {
        file: 'mcp/http-session.ts',
        find: 'error.sessionLost && limits.window === null)',
        replace: 'error.sessionLost)',
      },
      { file: WINDOW, find: "if (this.#state === 'passed')\n", replace: "if (this.#state === 'given up')\n" },
    ],
    test: { file: LYING, title: '404 in a session ends as one that may have changed something, once' },
    says: "', 'account-",
  },
  {
    name: 'a write leaves when its time is over',
    patches: [
      { file: WINDOW, find: 'this.remainingMs <= 0', replace: 'this.remainingMs <= -1e9' },
      {
        file: 'mcp/limits.ts',
        find: 'limits.deadlineAtMs <= Date.now()',
        replace: 'limits.deadlineAtMs <= 0',
      },
      { file: 'mcp/limits.ts', find: ', remainingMs(limits))', replace: ', 60_000)' },
      anyJudgement,
    ],
    test: {
      file: 'held-claims.test.ts',
      title: 'a claim that is held for longer than the call may take is followed by no call',
    },
    says: "expected [ 'sent by attempt 1' ]",
  },
]

const RESOLVE = '../workflows/resolve.test.ts'

/** Doors to the word that ends a write of which nobody knows. */
export const resolutions: Door[] = [
  {
    name: 'the key of the workers signs what became of a write',
    patches: [anyPurpose],
    test: {
      file: RESOLVE,
      title: 'a signal with a ticket resolves, also when it is sent to the run; what is forged does not',
    },
    says: "to match object { accepted: false, code: 'UNVERIFIED' }",
  },
  {
    name: 'anybody says what became of a write',
    patches: [
      {
        file: 'lib/eligibility.ts',
        find: 'if (code === null) return null',
        replace: 'if (code !== undefined) return null',
      },
    ],
    test: { file: RESOLVE, title: 'who may not approve it, asked for it, or is no person, is refused' },
    says: "expected 'not refused: {",
  },
]
