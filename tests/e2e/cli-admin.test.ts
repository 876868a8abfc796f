/** The CLI for administrators: people and keys, old revisions; and what `run --wait` says while it waits. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDesk, spawnCli, type Desk } from '../support/cli.ts'

let desk: Desk

beforeAll(async () => {
  desk = await openDesk()
})
afterAll(() => desk?.close())

it('principals and keys are changed and shown', async () => {
  const { cli, json } = desk
  const create = [
    'keys',
    'create',
    '--principal',
    'temp@acme.example',
    '--scope',
    'read',
    '--expires-in',
    '30d',
  ]
  const made = await json([...create, '--role', 'lead'])
  expect(Date.parse(made['expires_at'] as string) - Date.now()).toBeGreaterThan(29 * 86_400_000)
  expect((await cli(['keys', 'show', made['id'] as string])).stdout).toMatch(/State +valid until /)
  const change = (verb: string, ...more: string[]) => json(['principals', verb, 'temp@acme.example', ...more])
  expect(await change('set-roles', 'finance', 'board')).toMatchObject({ roles: ['board', 'finance'] })
  expect((await cli(['principals', 'set-roles', 'temp@acme.example'])).code).toBe(2)
  expect(await change('set-roles', '--none')).toMatchObject({ roles: [] })
  expect(await change('disable')).toMatchObject({ disabled_at: expect.any(String) as string })
  expect((await cli(['runs', 'list'], { key: made['key'] as string })).stderr).toContain('UNAUTHENTICATED')
  expect((await cli(['principals', 'show', 'temp@acme.example'])).stdout).toMatch(/Disabled +2/)
  expect(await change('enable')).toMatchObject({ disabled_at: null })
  expect((await cli(['runs', 'list'], { key: made['key'] as string })).code).toBe(0)
})

it('a run is told with the steps of its own revision, and old revisions are shown', async () => {
  const { scenario, cli } = desk
  const run = await scenario.park('change')
  const before = await cli(['runs', 'show', run.runId])
  const { admin } = scenario.world
  const { manifest } = await admin.getManifest({ kind: 'Automation', name: 'change' })
  await admin.applyManifests({ manifests: [{ ...manifest, version: '9.0.0' } as Record<string, unknown>] })
  const after = await cli(['runs', 'show', run.runId])
  expect(after.stdout).toContain('writes through shop')
  expect(after.stdout).toBe(before.stdout)
  const { stdout } = await cli(['automations', 'revisions', 'change'])
  expect(stdout).toMatch(/^2 +9\.0\.0 .*\n1 /m)
  const old = await cli(['manifests', 'show', 'Automation', 'change', '--revision', '1'])
  expect(old.stdout).not.toContain('9.0.0')
  expect((await cli(['manifests', 'show', 'Automation', 'change', '--revision', '7'])).code).not.toBe(0)
})

it('run --wait says how to answer a question, and ends with the run', async () => {
  const { scenario } = desk
  const { apiUrl, adminKey, admin } = scenario.world
  const form = { type: 'object', properties: { tier: { type: 'string' } }, required: ['tier'] }
  const ask = { title: 'Which tier?', markdown: 'Which?', form, of: { roles: ['lead'] } }
  const spec = { steps: [{ name: 'tier', ask }] }
  await admin.applyManifests({ manifests: [{ kind: 'Automation', name: 'asking', spec }] })
  const environment = { COUNTERSIGN_URL: apiUrl, COUNTERSIGN_API_KEY: adminKey }
  const child = spawnCli(['run', 'asking', '--wait'], { cwd: desk.folder, environment })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise((resolve) => child.once('close', resolve))
  await expect.poll(() => said, { timeout: 30_000 }).toMatch(/countersign answer ask_\S+ --answer JSON/)
  expect(said).not.toContain('countersign approve')
  const [id = ''] = /ask_\S+/.exec(said) ?? []
  const { digest } = await admin.getApproval({ approval_id: id })
  await scenario.lena.answerAsk({ approval_id: id, answer: { tier: 'gold' }, digest })
  expect(await ended).toBe(0)
})
