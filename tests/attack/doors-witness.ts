/** Doors to a ledger that is not the newest: who knows better is asked before anything is sent again or signed. */
import type { Door } from './door.ts'

const OLDER = 'older-ledger.test.ts'
const ERASED = 'erased-claims.test.ts'
const FORGOTTEN = 'forgotten-claims.test.ts'
const NOT_UNKNOWN = "to match object { writebacks: [ 'unknown' ]"

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
        file: 'db/migrations/0022_claims.sql',
        find: "      and not exists (select from receipts r where r.subject = claimed_id and r.kind = 'outcome')\n",
        replace: '',
      },
    ],
    test: {
      file: 'reopened-writes.test.ts',
      title: 'waits is not sent again by a run that is reset',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'a policy that was removed stops all writes',
    patches: [
      {
        file: 'db/migrations/0022_claims.sql',
        find: "and p.kind = 'Policy' and p.head > 0)",
        replace: "and p.kind = 'Policy')",
      },
    ],
    test: {
      file: 'removed-policies.test.ts',
      title: 'a write that another policy allows is made after a policy was removed',
    },
    says: "expected { state: 'running'",
  },
  {
    name: 'a claim is given back once, whether the ledger hears of it or not',
    patches: [
      {
        file: 'activities/sending.ts',
        find: 'await whileAway(deps, Date.parse(deadlineAt ?? claimedAt), () =>',
        replace: 'await (async (work: () => Promise<unknown>) => deadlineAt && work())(() =>',
      },
    ],
    test: {
      file: 'cut-release.test.ts',
      title: 'a write that was let go, and never sent, is sent when the database is back after a moment',
    },
    says: 'to match object',
  },
]
