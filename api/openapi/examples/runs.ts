/** Examples: runs, and what started them. */
import type { ExamplesOf } from './index.ts'
import { DELIVERY_ID, pageOf, RECEIVED_AT, requester, RUN_ID, run, runHead, uiUrl } from './things.ts'

const started = `run/acme/late-fee/${DELIVERY_ID}`

const delivery = {
  delivery_id: DELIVERY_ID,
  source: 'event/billing/invoice.disputed',
  dedupe_key: 'late-fee:invoice-7',
  requester,
  state: 'started' as const,
  received_at: RECEIVED_AT,
  started_at: '2026-11-02T09:14:07.190Z',
  attempts: 0,
  last_error: null,
  runs: [
    {
      run_id: RUN_ID,
      automation: 'late-fee',
      revision: 3,
      temporal_workflow_id: started,
      temporal_ui_url: uiUrl(started),
    },
  ],
  skipped: [
    {
      automation: 'dunning',
      code: 'AUTOMATION_PAUSED',
      detail: 'Automation dunning was paused by ops@acme.example at 2026-11-01T18:00:00.000Z: month end.',
    },
  ],
}

type Names = 'startRun' | 'listRuns' | 'getRun' | 'watchRun' | 'cancelRun' | 'listDeliveries' | 'getDelivery'

export const runExamples: ExamplesOf<Names> = {
  startRun: {
    params: { name: 'late-fee' },
    body: { input: { invoice: 7 }, on_behalf_of: ['lena@acme.example'] },
    output: {
      run_id: RUN_ID,
      delivery_id: DELIVERY_ID,
      state: 'started',
      duplicate: false,
      temporal_workflow_id: started,
      temporal_ui_url: uiUrl(started),
    },
  },
  listRuns: {
    query: {
      state: 'waiting_for_approval',
      automation: 'late-fee',
      since: '2026-11-01T00:00:00Z',
      limit: 20,
    },
    output: pageOf({ ...runHead, delivery_state: 'started', state: 'waiting_for_approval' }),
  },
  getRun: { params: { run_id: RUN_ID }, output: run },
  watchRun: {
    params: { run_id: RUN_ID },
    query: { after: '9f86d081884c7d65', wait: 25 },
    output: { version: '60303ae22b998861', changed: true, is_over: false, run },
  },
  cancelRun: { params: { run_id: RUN_ID }, output: { run_id: RUN_ID, state: 'cancel_requested' } },
  listDeliveries: { query: { connection: 'billing', limit: 20 }, output: pageOf(delivery) },
  getDelivery: { params: { delivery_id: DELIVERY_ID }, output: { ...delivery, nothing_because: null } },
}
