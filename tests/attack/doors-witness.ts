/** Doors to a ledger that is not the newest: who knows better is asked before anything is sent again or signed. */
import type { Door } from './door.ts'

const OLDER = 'older-ledger.test.ts'
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
        file: 'activities/claims.ts',
        find: 'if (!claim || (row &&',
        replace: 'if (!claim || row !== undefined || (row &&',
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
        find: 'if (isTold && isReached) return null',
        replace: 'if (isTold || isReached) return null',
      },
    ],
    test: {
      file: OLDER,
      title: 'is not concluded from: what runs have done since is unknown, and no receipt says otherwise',
    },
    says: "to match object { writebacks: [ 'unknown' ]",
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
