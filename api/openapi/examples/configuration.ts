/** Examples: manifests and what they say there is, keys, and the deployment itself. */
import type { ExamplesOf } from './index.ts'
import { DIGEST, KEY_ID, pageOf, writeback } from './things.ts'

const SAVED_AT = '2026-10-28T15:20:00.000Z'

const pause = { at: '2026-11-01T18:00:00.000Z', by: 'ops@acme.example', reason: 'month end' }

const automation = {
  name: 'late-fee',
  revision: 3,
  description: 'Waives the late fee of an invoice that is disputed.',
  paused: null,
  triggers: [{ trigger: 'event/billing/invoice.disputed', paused: null }],
}

const summary = {
  kind: 'Automation' as const,
  name: 'late-fee',
  revision: 3,
  version: '1.2.0',
  content_sha256: DIGEST,
  author: 'ops@acme.example',
  created_at: SAVED_AT,
}

const manifest = {
  kind: 'Automation' as const,
  name: 'late-fee',
  version: '1.2.0',
  spec: {
    triggers: [],
    steps: [
      {
        name: 'invoice',
        tool_call: { connection: 'billing', tool: 'get_invoice', arguments: { id: '${{ input.invoice }}' } },
        timeout: '1h',
      },
    ],
  },
}

const connection = { name: 'billing-db', type: 'postgres', revision: 2, frozen: null }
const frozen = { at: '2026-11-02T09:30:00.000Z', by: 'ops@acme.example', reason: 'wrong rates' }
const person = { id: 'lena@acme.example', kind: 'person' as const, display_name: 'Lena', roles: ['finance'] }
const principal = { ...person, created_at: SAVED_AT, disabled_at: null }
const key = {
  id: KEY_ID,
  principal: person.id,
  roles: ['finance'],
  scopes: ['read', 'approve'],
  created_at: SAVED_AT,
  expires_at: '2027-01-01T00:00:00.000Z',
  revoked_at: null,
}

type Names =
  | 'applyManifests'
  | 'listManifests'
  | 'getManifest'
  | 'listRevisions'
  | 'removeManifest'
  | 'listAutomations'
  | 'getAutomation'
  | 'pauseAutomation'
  | 'resumeAutomation'
  | 'listConnections'
  | 'getConnectionState'
  | 'listConnectionTools'
  | 'checkConnection'
  | 'freezeConnection'
  | 'thawConnection'
  | 'createKey'
  | 'listKeys'
  | 'getKey'
  | 'revokeKey'
  | 'listPrincipals'
  | 'getPrincipal'
  | 'setPrincipalRoles'
  | 'disablePrincipal'
  | 'enablePrincipal'
  | 'whoAmI'
  | 'getHealth'

export const configurationExamples: ExamplesOf<Names> = {
  applyManifests: {
    body: { manifests: [manifest], expected_revision: 2 },
    output: {
      results: [{ kind: 'Automation', name: 'late-fee', revision: 3, status: 'changed' }],
      warnings: [],
    },
  },
  listManifests: { query: { kind: 'Automation', limit: 100 }, output: pageOf(summary) },
  getManifest: {
    params: { kind: 'Automation', name: 'late-fee' },
    query: { revision: 3 },
    output: { ...summary, manifest, pins: { 'billing/get_invoice': DIGEST } },
  },
  listRevisions: {
    params: { kind: 'Automation', name: 'late-fee' },
    query: { limit: 20 },
    output: pageOf(summary),
  },
  removeManifest: {
    params: { kind: 'Automation', name: 'late-fee' },
    output: { kind: 'Automation', name: 'late-fee', removed_revision: 3 },
  },
  listAutomations: { query: { paused: 'false', limit: 100 }, output: pageOf(automation) },
  getAutomation: { params: { name: 'late-fee' }, output: automation },
  pauseAutomation: {
    params: { name: 'late-fee' },
    body: { reason: 'month end' },
    output: { ...automation, paused: pause },
  },
  resumeAutomation: { params: { name: 'late-fee' }, body: {}, output: automation },
  listConnections: { query: { type: 'postgres', limit: 100 }, output: pageOf(connection) },
  getConnectionState: {
    params: { name: 'billing-db' },
    output: {
      name: 'billing-db',
      type: 'postgres',
      revision: 2,
      address: '${secret:BILLING_DATABASE_URL}',
      tools: null,
      frozen: null,
      held: [],
      held_omitted: false,
      under_way: [],
      under_way_omitted: false,
      warnings: [],
    },
  },
  listConnectionTools: {
    params: { name: 'billing' },
    output: {
      name: 'billing',
      tools: [
        {
          tool: 'get_invoice',
          description: 'Reads an invoice.',
          class: 'read',
          class_from: 'server',
          definition_sha256: DIGEST,
          seen_at: SAVED_AT,
          pinned_by: [{ automation: 'late-fee', revision: 3, changed: false }],
        },
      ],
    },
  },
  checkConnection: {
    params: { name: 'billing' },
    output: { name: 'billing', type: 'mcp', tools: 4, took_ms: 212 },
  },
  freezeConnection: {
    params: { name: 'billing-db' },
    body: { reason: 'wrong rates' },
    output: {
      name: 'billing-db',
      type: 'postgres',
      revision: 2,
      address: '${secret:BILLING_DATABASE_URL}',
      tools: null,
      frozen,
      held: [writeback],
      held_omitted: false,
      under_way: [],
      under_way_omitted: false,
      warnings: [],
    },
  },
  thawConnection: { params: { name: 'billing-db' }, output: { name: 'billing-db', frozen: null } },
  createKey: {
    body: { principal: person, scopes: ['read', 'approve'], expires_at: '2027-01-01T00:00:00.000Z' },
    output: {
      id: KEY_ID,
      key: 'cs_shown-once',
      principal: person.id,
      roles: ['finance'],
      scopes: ['read', 'approve'],
      expires_at: '2027-01-01T00:00:00.000Z',
    },
  },
  listKeys: {
    query: { state: 'active', limit: 100 },
    output: pageOf(key),
  },
  getKey: { params: { key_id: KEY_ID }, output: key },
  revokeKey: { params: { key_id: KEY_ID }, output: { id: KEY_ID, revoked: true } },
  listPrincipals: { query: { role: 'finance', limit: 100 }, output: pageOf(principal) },
  getPrincipal: { params: { principal_id: person.id }, output: principal },
  setPrincipalRoles: {
    params: { principal_id: person.id },
    body: { roles: [] },
    output: { ...principal, roles: [] },
  },
  disablePrincipal: {
    params: { principal_id: person.id },
    output: { ...principal, disabled_at: '2026-11-02T09:30:00.000Z' },
  },
  enablePrincipal: { params: { principal_id: person.id }, output: principal },
  whoAmI: {
    output: {
      organization: 'acme',
      principal: person.id,
      kind: 'person',
      roles: ['finance'],
      scopes: ['read', 'approve'],
      key_id: KEY_ID,
    },
  },
  getHealth: {
    output: {
      status: 'warn',
      checked_at: '2026-11-02T09:30:00.000Z',
      checks: [
        {
          name: 'workers',
          status: 'warn',
          summary: 'No worker has asked for work in the last minute.',
          action: 'Start a worker: `npm run dev`, or your own with the plugin.',
        },
      ],
    },
  },
}
