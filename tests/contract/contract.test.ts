/**
 * The running API against its own description: no 5xx, no status and no body that is not described, nothing accepted
 * that the description forbids. `SCHEMATHESIS_SEED` repeats a run, `SCHEMATHESIS_SECONDS` sets how long it fuzzes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CHANGE, LOOK, NOTE, ONE_LEAD } from '../support/automations.ts'
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

let s: Scenario
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'countersign-contract-'))
  s = await startScenario()
  await s.define('parked', [LOOK, CHANGE], ONE_LEAD)
  await s.define('open', [NOTE], { allow: true })
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

it('keeps to its description, whatever is sent', async () => {
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
  // Its own key would be revoked sooner or later, and all that follows refused. `tests/api` has that operation.
  const all = ['--exclude-operation-id', 'revokeKey', '--max-time', SECONDS]
  expect(await runShown(program, [...common, ...all], folder)).toBe(0)

  // Again where chance never finds an id, with ids of what is there.
  writeFileSync(path.join(folder, 'schemathesis.toml'), await knownIds())
  const named = ['--include-path-regex', '_id\\}', '--exclude-operation-id', 'revokeKey']
  expect(
    await runShown(program, [...common, ...named, '--phases', 'fuzzing', '--max-examples', '25'], folder),
  ).toBe(0)
})

async function knownIds(): Promise<string> {
  const [approvals, writebacks, runs, deliveries] = await Promise.all([
    s.world.admin.listApprovals({ state: 'waiting' }),
    s.world.admin.listWritebacks(),
    s.world.admin.listRuns(),
    s.world.admin.listDeliveries(),
  ])
  const lines = [
    ['approval_id', approvals.items[0]?.approval_id],
    ['writeback_id', writebacks.items[0]?.writeback_id],
    ['run_id', runs.items[0]?.run_id],
    ['delivery_id', deliveries.items[0]?.delivery_id],
  ].map(([name, id]) => `"path.${String(name)}" = ${JSON.stringify(id)}`)
  return ['[parameters]', ...lines, ''].join('\n')
}
