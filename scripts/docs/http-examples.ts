/** What the examples of the HTTP API send; the schemas of the operations check it when the page is made. */

const RUN_ID = 'run_0f3c5a1e9b7d42688c1d7e5f3a2b9c40'
const WRITEBACK_ID = 'wb_0198c2f4-6a31-7a54-9d5e-0f2b7c1e4a90.waive.1'
const DIGEST = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'

const ofApproval = { approval_id: WRITEBACK_ID }
const ofWriteback = { writeback_id: WRITEBACK_ID }
const decision = { verdict: 'approve', digest: DIGEST, comment: 'as agreed' }
const resolution = { resolution: 'applied', comment: 'it is in the ledger of the bank' }

export const EXAMPLE_PARAMETERS: Record<string, Record<string, string>> = {
  getManifest: { kind: 'Automation', name: 'late-fee' },
  startRun: { name: 'late-fee' },
  getRun: { run_id: RUN_ID },
  cancelRun: { run_id: RUN_ID },
  getApproval: ofApproval,
  decideApproval: ofApproval,
  createTicket: ofApproval,
  getWriteback: ofWriteback,
  resolveWriteback: ofWriteback,
  createResolutionTicket: ofWriteback,
  getConnectionState: { name: 'billing' },
  freezeConnection: { name: 'billing' },
  thawConnection: { name: 'billing' },
  revokeKey: { key_id: 'key_91ab6c0de2f34857a1b2c3d4e5f60718' },
}

export const EXAMPLE_BODIES: Record<string, unknown> = {
  applyManifests: {
    manifests: [
      { kind: 'Automation', name: 'hello', spec: { steps: [{ name: 'answer', return: 'hello' }] } },
    ],
  },
  startRun: { input: { invoice_id: 'INV-7' }, on_behalf_of: ['bea@example.org'] },
  decideApproval: decision,
  createTicket: decision,
  resolveWriteback: resolution,
  createResolutionTicket: resolution,
  freezeConnection: { reason: 'wrong amounts' },
  createKey: {
    principal: { id: 'bea@example.org', kind: 'person', roles: ['billing-lead'] },
    scopes: ['read', 'approve'],
  },
}
