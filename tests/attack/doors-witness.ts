/** Doors to a ledger that is not the newest: who knows better is asked before anything is sent again or signed. */
import type { Door } from './door.ts'

const OLDER = 'older-ledger.test.ts'
const ERASED = 'erased-claims.test.ts'
const FORGOTTEN = 'forgotten-claims.test.ts'
const BY_HAND = 'ended-by-hand.test.ts'
const NOT_UNKNOWN = "to match object { writebacks: [ 'unknown' ]"
const WRITEBACKS = 'db/queries/writebacks.ts'

export const olderLedger: Door[] = [
  {
    name: 'an answer is thrown away because the ledger has forgotten its attempt',
    patches: [
      {
        file: 'activities/ledger.ts',
        find: '(isOwn && (await restoreClaim(deps.database, claimOf(row)))',
        replace: '(isOwn && row.attempt < 0',
      },
    ],
    test: { file: OLDER, title: 'whose answer comes: it is recorded, and nothing is sent again' },
    says: "to match object { state: 'completed'",
  },
  {
    name: 'nobody remembers a claim that the ledger has lost',
    patches: [
      {
        file: 'activities/recall.ts',
        find: 'if (!claim) return false',
        replace: 'if (!claim || row !== undefined) return false',
      },
    ],
    test: { file: OLDER, title: 'whose answer is lost: nobody knows, and nothing is sent again' },
    says: 'to match object { …(4) }',
  },
  {
    name: 'the reconciler concludes from the ledger alone',
    patches: [
      {
        file: 'activities/witnesses.ts',
        find: 'const { outcome, decisions, said, doubt } = await whatWasSaid(client, about)',
        replace:
          'if (isReached) return null\n  const { outcome, decisions, said, doubt } = await whatWasSaid(client, about)',
      },
    ],
    test: {
      file: OLDER,
      title: 'is not concluded from: what runs have done since is unknown, and no receipt says otherwise',
    },
    says: "to match object { writebacks: [ 'unknown' ]",
  },
]

export const forgottenClaims: Door[] = [
  {
    name: 'the report of a failure erases the claim',
    patches: [
      {
        file: 'activities/heartbeat.ts',
        find: 'const details = give(context, more)',
        replace: 'const details = { ...saidBy(context), ...more }',
      },
      {
        file: 'activities/heartbeat.ts',
        find: 'if (!isFirst) await untilTold(context, more)',
        replace: 'if (!isFirst && before === details) await untilTold(context, more)',
      },
    ],
    test: { file: ERASED, title: 'a write under way that is called planned is not sent again' },
    says: 'expected 2 to be 1',
  },
  {
    name: 'a cancel throws away what Temporal was told',
    patches: [
      {
        file: 'workflows/write.ts',
        find: 'claim = await nearby().findToldClaim(aboutClaim(call))',
        replace: 'await nearby().findToldClaim(aboutClaim(call))',
      },
    ],
    test: {
      file: FORGOTTEN,
      title: 'a cancel of pay-at-once between two attempts withdraws nothing that Temporal was told of',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'the end of a write does not hear of the claim that it is handed',
    patches: [
      {
        file: 'activities/abandon.ts',
        find: 'const said = [{ claim }, ...(earlier?.said ?? [])]',
        replace: 'const said = claim === null ? [] : []',
      },
    ],
    test: {
      file: FORGOTTEN,
      title: 'a cancel of an attempt whose worker dies then withdraws nothing',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a failure does not say that something was sent',
    patches: [
      {
        file: 'activities/failures.ts',
        find: '...(claim && { claim }), ...(isErased',
        replace: '...(isErased',
      },
    ],
    test: { file: FORGOTTEN, title: 'a cancel of an attempt that loses its answer then withdraws nothing' },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a heartbeat dies with its run',
    patches: [
      {
        file: 'activities/histories.ts',
        find: 'told.said.push(...said)',
        replace: '',
      },
    ],
    test: {
      file: FORGOTTEN,
      title: 'a termination between two attempts withdraws nothing that Temporal was told of',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a run that was reset writes without asking the execution before it',
    patches: [
      {
        file: 'activities/perform.ts',
        find: 'step.witness.askEarlier?.(origin.runWorkflowId)',
        replace: '(step.witness.askEarlier && null)',
      },
    ],
    test: { file: FORGOTTEN, title: 'a run that is reset between two attempts does not write again' },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a run that was reset is ended without asking the execution before it',
    patches: [
      {
        file: 'activities/abandon.ts',
        find: 'await askEarlier?.(found?.run_workflow_id)',
        replace: 'await (askEarlier && null)',
      },
    ],
    test: {
      file: FORGOTTEN,
      title: 'a run that is reset, and then cancelled before it has come to its write, withdraws nothing',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'only the last execution of a run is read',
    patches: [
      {
        file: 'activities/histories.ts',
        find: 'runIds.add(base)',
        replace: 'runIds.add(base.slice(0, 0) || runId)',
      },
      {
        file: 'activities/histories.ts',
        find: 'client.workflow.list({ query })) runIds.push(runId)',
        replace: 'client.workflow.list({ query })) runIds.push(...(runId === query ? [runId] : []))',
      },
    ],
    test: {
      file: FORGOTTEN,
      title:
        'a run that was reset, and ended before it came to its write, is not concluded from its last execution',
    },
    says: NOT_UNKNOWN,
  },
]

export const endedByHand: Door[] = [
  {
    name: 'an attempt that was reset or paused sends all the same',
    patches: [
      {
        file: 'activities/heartbeat.ts',
        find: 'if (!(error instanceof ActivityCancelledError)) throw error',
        replace: 'if (!(error instanceof ActivityCancelledError || error instanceof Error)) throw error',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is paused while it waits for its claim is not sent by that attempt',
    },
    says: 'expected 1 to be +0',
  },
  {
    name: 'what was erased is taken for what nobody has told',
    patches: [
      {
        file: 'activities/passing.ts',
        find: 'if (!isErased) return ask',
        replace: 'if (!isErased || ask === null) return ask',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is reset between two attempts, without its heartbeats, is not paid again',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'a failure that Temporal has cut short is taken for one without a claim',
    patches: [
      {
        file: 'activities/histories.ts',
        find: "(isWhole ? 'whole' : 'cut')",
        replace: "(isWhole ? 'whole' : 'whole')",
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is reset during its call, whose answer is lost then, is not paid again',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'a write whose activity was ended by hand was never sent',
    patches: [
      {
        file: 'activities/histories.ts',
        find: 'visit.worker !== end.identity)',
        replace: 'visit.worker === BY_HAND)',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'of one that is failed by hand during its call no receipt says that it was never sent',
    },
    says: "to match object { state: 'failed', …(2) }",
  },
  {
    name: 'who ends an activity between two attempts is a worker',
    patches: [
      {
        file: 'activities/histories.ts',
        find: 'started?.requestId ? started.identity : BY_HAND',
        replace: 'started?.identity',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'of one that is completed by hand between two attempts the reconciler does not say so either',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'the reconciler takes an activity without a word for one that has said nothing',
    patches: [{ file: 'activities/witnesses.ts', find: 'if (doubt) return doubt\n', replace: '\n' }],
    test: {
      file: BY_HAND,
      title: 'of one whose heartbeats were erased before its run was terminated, neither',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'whoever ends a write believes its workflow that there was no claim',
    patches: [
      {
        file: 'activities/index.ts',
        find: 'abandonWriteback(door, params, askingAll(params))',
        replace: 'abandonWriteback(door, params, params.claim ? askingAll(params) : null)',
      },
    ],
    test: { file: BY_HAND, title: 'a workflow that is made up has no receipt that says so' },
    says: "to match object { kind: 'under_way' }",
  },
]

export const reopenedWrites: Door[] = [
  {
    name: 'the answer of a target may be changed in the ledger',
    patches: [
      {
        file: 'activities/outcomes.ts',
        find: "    predicate['answerSha256'] === answerDigest(outcome.output) &&\n",
        replace: '',
      },
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'is not believed with another output than the receipt has seen',
    },
    says: "expected 'nothing was refused' to be 'OUTCOME_NOT_PROVEN'",
  },
  {
    name: 'a row that was opened again is sent again',
    patches: [
      {
        file: 'activities/perform.ts',
        find: 'if (writeback && context.is_ended) throw reopened(writeback)',
        replace: '',
      },
      {
        file: 'activities/perform.ts',
        find: 'step.witness.askEarlier?.(origin.runWorkflowId)',
        replace: '(step.witness.askEarlier && null)',
      },
      {
        file: WRITEBACKS,
        find: "       and not exists (select from receipts where subject = $1 and kind = 'outcome')\n",
        replace: '',
      },
    ],
    test: {
      file: 'reopened-writes.test.ts',
      title: 'waits is not sent again by a run that is reset',
    },
    says: 'expected 2 to be 1',
  },
]
