/** Doors to what ids and settings decide: whose write it is, whose approval, and what of a connection people have seen. */
import type { Door, Patch } from './door.ts'

const DECISIONS = 'api/decisions.ts'
const IDS = 'made-up-ids.test.ts'
const ORIGIN = 'activities/origin.ts'
const CONNECTIONS = 'edited-connections.test.ts'

const MADE_UP = { file: IDS, title: 'no write is made that its steps do not make, and none under another id' }
const SWALLOWED = {
  file: IDS,
  title: 'that a workflow in the place of an approval swallows holds the write all the same',
}

/** A program is looked up once more where it is called. */
const readAnew: Patch = {
  file: 'activities/executors/mcp-tool.ts',
  find: 'target: targetIn(reading),',
  replace: 'target: await deps.targetOf(operation),',
}

export const anyLiteral = {
  file: ORIGIN,
  find: 'if (misfit !== null) throw',
  replace: "if (misfit === 'anything') throw",
}
const anyCaller = {
  file: ORIGIN,
  find: 'if (wanted.includes(caller)) return',
  replace: 'if (wanted.length > 0) return',
}

export const madeUpIds: Door[] = [
  {
    name: 'a caller says what the literals of a step are',
    patches: [anyLiteral],
    test: MADE_UP,
    says: "another literal: expected 'nothing was refused'",
  },
  {
    name: 'a write has any id',
    patches: [
      { file: ORIGIN, find: 'const round = roundOf(origin)', replace: 'const round = roundOf(origin) ?? 1' },
    ],
    test: MADE_UP,
    says: "a made-up id: expected 'nothing was refused'",
  },
  {
    name: 'a step writes as often as somebody likes',
    patches: [
      {
        file: 'activities/ledger.ts',
        find: 'if (origin.round === 1) return',
        replace: 'if (origin.round > 0) return',
      },
    ],
    test: MADE_UP,
    says: "a round that follows none: expected 'nothing was refused'",
  },
  {
    name: 'any workflow makes the writes of a run',
    patches: [anyCaller],
    test: { file: IDS, title: 'none is made by a workflow that is neither the run nor its writeback' },
    says: "expected 'nothing was refused' to be 'UNKNOWN_ORIGIN'",
  },
  {
    name: 'any workflow takes what people say',
    patches: [anyCaller],
    test: {
      file: IDS,
      title: 'does not go to a workflow that somebody names: it does not even stand in the inbox',
    },
    says: "expected 'it stands in the inbox' to be 'UNKNOWN_ORIGIN'",
  },
  {
    name: 'a rejection that nobody has recorded holds nothing',
    patches: [
      {
        file: 'activities/authorise.ts',
        find: '[...recorded, ...vetoes, ...decisions]',
        replace: '[...recorded, ...decisions]',
      },
    ],
    test: SWALLOWED,
    says: "expected 'completed' to be 'REJECTED'",
  },
  {
    name: 'people are told what a workflow says of their decision',
    patches: [
      {
        file: DECISIONS,
        find: "if (state === undefined) return { kind: 'recorded' }",
        replace: 'if (state === undefined) return { kind: "counted", ...answer }',
      },
    ],
    test: SWALLOWED,
    says: "expected 'rejected' to be 'recorded'",
  },
  {
    name: 'people are told what a workflow says of their resolution',
    patches: [
      {
        file: 'api/resolutions.ts',
        find: "if (row?.outcome && row.state !== 'unknown') return { ...answer, outcome: row.outcome }",
        replace: 'if (row) return answer',
      },
    ],
    test: {
      file: IDS,
      title: 'a resolution that a workflow in the place of a writeback swallows is recorded all the same',
    },
    says: "to match object { state: 'failed' }",
  },
  {
    name: 'an approval has any id',
    patches: [
      {
        file: 'activities/approvals.ts',
        find: 'if (!isApprovalOf(params))',
        replace: "if (approvalId === '')",
      },
    ],
    test: { file: IDS, title: 'an approval with a command in its id is not shown to anybody' },
    says: "expected 'it stands in the inbox' to be 'UNKNOWN_ORIGIN'",
  },
]

const AN_EDIT = 'made after the write was planned, takes the approval with it'
const SENT = "expected 'completed' to match"

export const editedConnections: Door[] = [
  {
    name: 'an attempt had the time that its connection has today',
    patches: [
      {
        file: 'activities/settle.ts',
        find: 'return Math.max(timeoutMs, ...attempts.map(timeoutOfAttempt))',
        replace: 'return timeoutMs + 0 * attempts.length',
      },
    ],
    test: {
      file: 'shortened-calls.test.ts',
      title: 'a time that is made shorter while a payment is under way does not have it made twice',
    },
    says: "expected [ 'me', 'me' ]",
  },
  {
    name: 'a connection may change while people look',
    patches: [
      {
        file: 'activities/perform.ts',
        find: 'return changed.length > 0 ? changed : null',
        replace: 'return null',
      },
    ],
    test: { file: CONNECTIONS, title: `http: tools.*.resend, ${AN_EDIT}` },
    says: SENT,
  },
  {
    name: 'headers are no part of a write',
    patches: [
      { file: 'lib/write-settings.ts', find: "  'timeout',\n", replace: "  'timeout',\n  'headers',\n" },
    ],
    test: { file: CONNECTIONS, title: `http: headers, ${AN_EDIT}` },
    says: SENT,
  },
  {
    name: 'a command is what it is called',
    patches: [
      {
        file: 'activities/executors/mcp-tool.ts',
        find: 'command_sha256: target.commandSha256',
        replace: 'command_sha256: target.name',
      },
    ],
    test: { file: CONNECTIONS, title: 'the environment in the file of commands takes the approval with it' },
    says: SENT,
  },
  {
    name: 'a write goes to the program that has the name by then',
    patches: [readAnew],
    test: {
      file: 'other-programs.test.ts',
      title:
        'a payment goes to the program that was approved, and not to one that has got its name meanwhile',
    },
    says: "expected [ [], [ 'me' ] ] to deeply equal [ [ 'me' ], [] ]",
  },
  {
    name: 'a look asks the program that has the name by then',
    patches: [readAnew],
    test: {
      file: 'other-programs.test.ts',
      title: 'a look at what became of a payment asks the program that was resolved',
    },
    says: `to contain '"paid":true'`,
  },
  {
    name: 'our key replaces what a step says',
    patches: [
      {
        file: 'activities/executors/mcp-tool.ts',
        find: 'if (keyArgument !== undefined && Object.hasOwn(',
        replace: "if (keyArgument === '' && Object.hasOwn(",
      },
    ],
    test: {
      file: CONNECTIONS,
      title: 'the place of our key to one that the step gives does not pay anybody else',
    },
    says: "to be 'INVALID_ARGUMENTS'",
  },
]
