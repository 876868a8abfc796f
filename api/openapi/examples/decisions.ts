/** Examples: approvals, writebacks and receipts. */
import type { ExamplesOf } from './index.ts'
import { approval, DIGEST, envelope, pageOf, receipt, RUN_ID, writeback, WRITEBACK_ID } from './things.ts'

const decision = {
  verdict: 'approve' as const,
  digest: DIGEST,
  comment: 'Agreed with the customer.',
  channel: 'api' as const,
}

const resolution = {
  resolution: 'applied' as const,
  comment: 'The ledger of the bank shows it.',
  channel: 'api' as const,
}

const params = { writeback_id: WRITEBACK_ID }

type Names =
  | 'listApprovals'
  | 'getApproval'
  | 'decideApproval'
  | 'answerAsk'
  | 'createTicket'
  | 'listWritebacks'
  | 'getWriteback'
  | 'resolveWriteback'
  | 'createResolutionTicket'
  | 'listReceipts'
  | 'searchReceipts'
  | 'getKeys'

export const decisionExamples: ExamplesOf<Names> = {
  listApprovals: {
    query: { state: 'waiting', connection: 'billing-db', limit: 20 },
    output: pageOf(approval),
  },
  getApproval: { params: { approval_id: WRITEBACK_ID }, output: approval },
  decideApproval: {
    params: { approval_id: WRITEBACK_ID },
    body: decision,
    output: {
      decision_id: 'dec_7c0de0c8a7d34a4f9d0e4d4f3b1c9a55',
      state: 'approved',
      message: 'Your vote counts; the write goes on.',
    },
  },
  answerAsk: {
    params: { approval_id: WRITEBACK_ID },
    body: { answer: { refund: true }, digest: DIGEST, comment: '', channel: 'api' },
    output: {
      decision_id: 'dec_1f1f0b3f26b04f0f8a53b2b3f9a04c11',
      state: 'approved',
      message: 'Your answer counts; the run goes on.',
    },
  },
  createTicket: {
    params: { approval_id: WRITEBACK_ID },
    body: decision,
    output: {
      workflow_id: approval.temporal_workflow_id,
      signal: 'approve',
      input: { ticket: envelope },
      command: `temporal workflow signal --workflow-id ${approval.temporal_workflow_id} --name approve --input '…'`,
    },
  },
  listWritebacks: { query: { state: 'unknown', run_id: RUN_ID, limit: 20 }, output: pageOf(writeback) },
  getWriteback: { params, output: writeback },
  resolveWriteback: {
    params,
    body: resolution,
    output: {
      resolution_id: 'res_7c0de0c8a7d34a4f9d0e4d4f3b1c9a55',
      state: 'applied',
      message: 'It is recorded that the write was done.',
    },
  },
  createResolutionTicket: {
    params,
    body: resolution,
    output: {
      workflow_id: `writeback/acme/${WRITEBACK_ID}`,
      signal: 'resolve',
      input: { ticket: envelope },
      command: `temporal workflow signal --workflow-id writeback/acme/${WRITEBACK_ID} --name resolve --input '…'`,
    },
  },
  listReceipts: {
    params: { run_id: RUN_ID },
    query: { limit: 100 },
    output: {
      run_id: RUN_ID,
      receipts: [receipt],
      next_cursor: null,
      head: { seq: receipt.seq, sha256: receipt.sha256 },
      signed_head: envelope,
    },
  },
  searchReceipts: {
    query: { kind: 'outcome', since: '2026-11-01T00:00:00Z', limit: 20 },
    output: pageOf({
      ...receipt,
      run_id: RUN_ID,
      kind: 'outcome',
      subject: WRITEBACK_ID,
      created_at: '2026-11-02T10:02:11.004Z',
    }),
  },
  getKeys: {
    output: {
      keys: [
        {
          key_id: 'b1946ac92492d2347c6235b4d2611184',
          purpose: 'receipt',
          public_key:
            '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n',
          retired_at: null,
        },
      ],
    },
  },
}
