/**
 * The running API against its own description: no 5xx, no status and no body that is not described, nothing accepted
 * that the description forbids. `SCHEMATHESIS_SEED` repeats a run, `SCHEMATHESIS_SECONDS` sets how long it fuzzes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CHANGE, LOOK, NOTE, ONE_LEAD } from '../support/automations.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'
import { runShown, schemathesis } from './schemathesis.ts'

const SECONDS = process.env['SCHEMATHESIS_SECONDS'] || '150'
const SEED = process.env['SCHEMATHESIS_SEED'] || String(Math.floor(Math.random() * 2 ** 31))

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
]

const AUTOMATIONS = ['parked', 'open', 'asking'] as const

const SHUT_OUT = ['revokeKey', 'disablePrincipal', 'setPrincipalRoles']

let s: Scenario
let folder: string
let losesAnswers = false
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'countersign-contract-'))
  s = await startScenario({
    intercept: ({ method }, response) => {
      if (method !== 'tools/call' || !losesAnswers) return false
      response.destroy()
      return true
    },
  })
  await defineAll()
  for (let index = 0; index < 3; index++) await s.park('parked')
  const decided = await s.park('parked')
  const { approval_id, digest } = decided.approval
  await s.lena.decideApproval({ approval_id, digest, verdict: 'approve' })
  await s.expectEnding(decided, { state: 'completed' })
  await s.expectEnding(await s.start('open'), { state: 'completed' })
})
afterAll(async () => {
  await s?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function defineAll(): Promise<void> {
  await s.define('parked', [LOOK, CHANGE], ONE_LEAD)
  await s.define('open', [NOTE], { allow: true })
  const ask = { title: 'Which?', form: {}, of: { roles: ['lead'] } }
  await s.define('asking', [{ name: 'which', ask }], { allow: true })
}

it('keeps to its description, whatever is sent, and to whatever is there', async () => {
  const program = await schemathesis()
  const { key } = await s.world.admin.createKey({
    principal: { id: 'fuzz@acme.example', kind: 'person', roles: ['lead', 'operator'] },
    scopes: ['read', 'start', 'approve', 'admin'],
  })
  process.stderr.write(`[contract] seed ${SEED}: SCHEMATHESIS_SEED=${SEED} npm run test:contract\n`)
  const common = [
    'run',
    `${s.world.apiUrl}/openapi.json`,
    `--header=Authorization: Bearer ${key}`,
    `--seed=${SEED}`,
    `--checks=${CHECKS.join(',')}`,
    '--request-timeout=40',
    // With more than one its own caches are not safe between threads.
    '--workers=1',
    '--generation-database=none',
    '--no-color',
    '--continue-on-failure',
  ]
  // Keys that are used here would be revoked sooner or later, and all that follows refused: below there is one to revoke.
  const all = [
    ...SHUT_OUT.flatMap((operation) => ['--exclude-operation-id', operation]),
    '--max-time',
    SECONDS,
  ]
  expect(await runShown(program, [...common, ...all], folder)).toBe(0)

  // Again where chance never finds an id, or a digest, with those of what is there.
  const there = await whatIsThere()
  writeFileSync(path.join(folder, 'schemathesis.toml'), configFor(there))
  const named = ['--include-path-regex', '_id\\}', '--phases', 'fuzzing', '--max-examples', '25']
  expect(await runShown(program, [...common, ...named], folder)).toBe(0)
  await expectReached(there)
})

/** What is decided, answered, resolved, revoked and disabled: each by operations of its own, so that none is in the way. */
interface There {
  approval: ApprovalView
  /** For tickets, which decide nothing. */
  undecided: ApprovalView
  question: ApprovalView
  unknown: string
  run: string
  delivery: string
  key: string
  person: string
}

async function whatIsThere(): Promise<There> {
  // By now chance may have removed, paused or frozen what was there, for it is told the names.
  await defineAll()
  for (const name of AUTOMATIONS) await s.world.admin.resumeAutomation({ name })
  for (const name of ['tools', 'shop']) await s.world.admin.thawConnection({ name })
  losesAnswers = true
  const lost = await s.start('open')
  await s.expectEnding(lost, { state: 'waiting_for_resolution' })
  losesAnswers = false
  const { writebacks } = await s.world.admin.getRun({ run_id: lost.runId })
  const person = 'victim@acme.example'
  const { id: keyId } = await s.world.admin.createKey({
    principal: { id: person, kind: 'person', roles: ['lead'] },
    scopes: ['read'],
  })
  const { items } = await s.world.admin.listDeliveries()
  return {
    approval: (await s.park('parked')).approval,
    undecided: (await s.park('parked')).approval,
    question: (await s.park('asking')).approval,
    unknown: writebacks[0]?.writeback_id ?? '',
    run: (await s.park('parked')).runId,
    delivery: items[0]?.delivery_id ?? '',
    key: keyId,
    person,
  }
}

function configFor(there: There): string {
  const { approval, undecided, question, unknown } = there
  const ofApproval = (operation: string, { approval_id, digest }: ApprovalView): string[] => [
    `[dictionaries.${operation}]`,
    `values = [${JSON.stringify(digest)}]`,
    '[[operations]]',
    `include-operation-id = "${operation}"`,
    '[operations.parameters]',
    `"path.approval_id" = ${JSON.stringify(approval_id)}`,
    `"body.digest" = { dictionary = "${operation}", probability = 0.8 }`,
  ]
  return [
    '[parameters]',
    ...Object.entries({
      approval_id: undecided.approval_id,
      writeback_id: unknown,
      run_id: there.run,
      delivery_id: there.delivery,
      key_id: there.key,
      principal_id: there.person,
    }).map(([name, id]) => `"path.${name}" = ${JSON.stringify(id)}`),
    ...ofApproval('decideApproval', approval),
    ...ofApproval('createTicket', undecided),
    ...ofApproval('answerAsk', question),
    '',
  ].join('\n')
}

/** Else the run would say nothing of them. */
async function expectReached(there: There): Promise<void> {
  const { admin } = s.world
  const stateOf = async ({ approval_id }: ApprovalView) => (await admin.getApproval({ approval_id })).state
  expect(await stateOf(there.approval)).not.toBe('waiting')
  expect(await stateOf(there.question)).toBe('approved')
  expect((await admin.getWriteback({ writeback_id: there.unknown })).state).not.toBe('unknown')
  expect((await admin.getKey({ key_id: there.key })).revoked_at).not.toBe(null)
}
