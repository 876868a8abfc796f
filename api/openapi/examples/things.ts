/** The things that the examples are about: one story, the late fee of invoice 7. */
import type { z } from 'zod'
import { writebackIdOf } from '../../../schemas/names.ts'
import type { getRun } from '../../../schemas/operations/runs.ts'
import type { ApprovalView, WritebackView } from '../../../schemas/operations/views.ts'

type Run = z.output<typeof getRun.output>

const TEMPORAL_RUN_ID = '019a3f57-1f0e-7d63-a1b2-0c9d8e7f6a5b'
export const RUN_ID = 'run_2b7f3a9c4d1e4f60a8b90c1d2e3f4a5b'
export const DELIVERY_ID = 'dlv_7c0de0c8a7d34a4f9d0e4d4f3b1c9a55'
export const WRITEBACK_ID = writebackIdOf({ runId: RUN_ID, path: 'waive', round: 1 })
export const KEY_ID = 'key_0d9c8b7a6f5e4d3c2b1a09f8e7d6c5b4'
export const DIGEST = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
const RECEIPT_SHA256 = '60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752'
export const RECEIVED_AT = '2026-11-02T09:14:07.120Z'
const ASKED_AT = '2026-11-02T09:14:07.610Z'
const WORKFLOW_ID = `run/acme/late-fee/${DELIVERY_ID}`

export function uiUrl(workflowId: string): string {
  return `https://temporal.example.org/namespaces/default/workflows/${encodeURIComponent(workflowId)}`
}

export const requester = { principal: 'connection/billing', kind: 'service' as const, on_behalf_of: [] }

export const requirement = {
  policy: 'money',
  rule: 'waivers',
  stages: [{ roles: ['finance'], people: [], quorum: 1 }],
  any_reject_ends: true,
  self_approval: false,
  identity: 'verified' as const,
  expires_after_ms: 259_200_000,
  valid_for_ms: 3_600_000,
}

const preview = {
  executor: 'sql',
  connection: 'billing-db',
  operation: 'update',
  target: 'billing-db/invoices/id=7',
  changes: [{ field: 'late_fee_cents', before: 4_200, after: 0 }],
  guard: 'atomic' as const,
}

export const writeback: WritebackView = {
  writeback_id: WRITEBACK_ID,
  run_id: RUN_ID,
  automation: 'late-fee',
  revision: 3,
  path: 'waive',
  connection: 'billing-db',
  operation: 'update',
  executor: 'sql',
  digest: DIGEST,
  state: 'planned',
  attempt: 0,
  deadline_at: null,
  requester,
  requirement,
  preview,
  outcome: null,
  created_at: ASKED_AT,
}

export const approval: ApprovalView = {
  approval_id: WRITEBACK_ID,
  writeback_id: WRITEBACK_ID,
  run_id: RUN_ID,
  automation: 'late-fee',
  digest: DIGEST,
  state: 'waiting',
  requirement,
  requester,
  preview,
  question: null,
  answer: null,
  votes: [],
  waits_for: { stage: 1, stages: 1, missing: 1, roles: ['finance'], people: [] },
  expires_at: '2026-11-05T09:14:07.610Z',
  created_at: ASKED_AT,
  closed_at: null,
  temporal_workflow_id: `approval/acme/${WRITEBACK_ID}`,
  temporal_ui_url: uiUrl(`approval/acme/${WRITEBACK_ID}`),
}

export const envelope = {
  payloadType: 'application/vnd.in-toto+json',
  payload: 'eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==',
  signatures: [
    { keyid: 'b1946ac92492d2347c6235b4d2611184', sig: 'MEUCIQDs0m2q6c3Vb9yXo0G1n1k6XwIgY2Zr8w1bZy4uJ0Q==' },
  ],
}

export const receipt = { id: 'rcp_5e8f7a6b', seq: 1, sha256: RECEIPT_SHA256, envelope }

export const runHead = {
  run_id: RUN_ID,
  automation: 'late-fee',
  revision: 3,
  delivery_id: DELIVERY_ID,
  source: 'event/billing/invoice.disputed',
  received_at: RECEIVED_AT,
  temporal_workflow_id: WORKFLOW_ID,
  temporal_ui_url: uiUrl(WORKFLOW_ID),
}

const noFailure = {
  next_attempt_at: null,
  failure: null,
  connection: null,
  temporal_workflow_id: null,
  temporal_ui_url: null,
}

const steps: Run['steps'] = [
  {
    path: 'invoice',
    state: 'completed',
    output: { id: 7, late_fee_cents: 4_200 },
    output_omitted: false,
    logs: [],
    error: null,
    writeback_ids: [],
    attempts: [
      {
        kind: 'call',
        state: 'completed',
        attempt: 1,
        scheduled_at: '2026-11-02T09:14:07.300Z',
        started_at: '2026-11-02T09:14:07.320Z',
        closed_at: '2026-11-02T09:14:07.410Z',
        ...noFailure,
      },
    ],
  },
  {
    path: 'waive',
    state: 'waiting',
    output: null,
    output_omitted: false,
    logs: [],
    error: null,
    writeback_ids: [WRITEBACK_ID],
    attempts: [
      {
        kind: 'writeback',
        state: 'running',
        attempt: 1,
        scheduled_at: '2026-11-02T09:14:07.500Z',
        started_at: '2026-11-02T09:14:07.530Z',
        closed_at: null,
        ...noFailure,
        temporal_workflow_id: `writeback/acme/${WRITEBACK_ID}`,
        temporal_ui_url: uiUrl(`writeback/acme/${WRITEBACK_ID}`),
      },
    ],
  },
]

export const run: Run = {
  ...runHead,
  state: 'waiting_for_approval',
  input: { invoice: 7 },
  requester,
  result: null,
  failure: null,
  temporal_run_id: TEMPORAL_RUN_ID,
  started_at: '2026-11-02T09:14:07.200Z',
  closed_at: null,
  steps,
  steps_from: 'workflow',
  held_up_by: [],
  attempts_omitted: false,
  writebacks: [writeback],
  writebacks_omitted: false,
  approvals: [approval],
  approvals_omitted: false,
  receipts: [],
  receipts_omitted: false,
  receipts_head: null,
}

export function pageOf<Item>(item: Item): { items: Item[]; next_cursor: string | null } {
  return { items: [item], next_cursor: 'WyI5YzFlMGYzYTJiNGQiLCJsYXRlLWZlZSJd' }
}
