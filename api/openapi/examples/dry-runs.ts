/** Example: what a run would do. */
import type { ExamplesOf } from './index.ts'
import { uiUrl } from './things.ts'

const workflowId = 'dry-run/acme/late-fee/dry_5d41402abc4b2a76b9719d911017c592'

const nothing = {
  output: null,
  output_omitted: false,
  logs: [],
  error: null,
  needs: [],
  would_write: null,
  would_ask: null,
  would_start: null,
  would_sleep_ms: null,
}

const waive = {
  preview: {
    executor: 'sql',
    connection: 'billing-db',
    operation: 'update',
    target: 'billing-db/invoices/id=invoice-7',
    changes: [{ field: 'late_fee_cents', before: 2500, after: 0 }],
    guard: 'atomic' as const,
  },
  rule: 'billing/waiving-a-late-fee-needs-a-lead',
  asks: [{ roles: ['billing-lead'], people: [], quorum: 1 }],
  refused: null,
  held_because: null,
}

export const dryRunExamples: ExamplesOf<'dryRun'> = {
  dryRun: {
    params: { name: 'late-fee' },
    body: { input: { invoice: 7 }, on_behalf_of: [], answers: {} },
    output: {
      automation: 'late-fee',
      revision: 3,
      state: 'stopped',
      output: null,
      failure: null,
      steps: [
        {
          ...nothing,
          path: 'invoice',
          state: 'completed',
          output: { id: 'invoice-7', late_fee_cents: 2500 },
        },
        { ...nothing, path: 'waive', state: 'would_write', would_write: waive },
        { ...nothing, path: 'note', state: 'stopped', needs: ['waive'] },
      ],
      problems: [{ path: 'note', message: 'it needs the output of waive, which would be written' }],
      temporal_workflow_id: workflowId,
      temporal_ui_url: uiUrl(workflowId),
    },
  },
}
