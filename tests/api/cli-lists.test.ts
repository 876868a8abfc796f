/** What the CLI says of lists and of things that are not there, to somebody who does as it says. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli, type CliResult } from '../support/cli.ts'
import { createTestApi, returningAutomation, type TestApi } from './support.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'countersign-cli-lists-'))
let api: TestApi
let runId: string
let cli: (args: readonly string[]) => Promise<CliResult>

beforeAll(async () => {
  api = await createTestApi()
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  cli = (args) => runCli([...args, '--url', url, '--key', api.adminKey], { cwd: folder })
  const manifests = [returningAutomation('echo')]
  await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })
  for (let count = 0; count < 2; count++) {
    const { body } = await api.call({ method: 'POST', url: '/v1/automations/echo/runs', body: {} })
    runId = String(body['run_id'])
  }
})
afterAll(async () => {
  await api?.close()
  rmSync(folder, { recursive: true, force: true })
})

it.each([
  { nouns: 'runs', filters: ['--since', '24h'] },
  { nouns: 'deliveries', filters: ['--since', '24h', '--until', '0s'] },
])('the hint for the next page of $nouns works as it stands', async ({ nouns, filters }) => {
  const asked = [nouns, 'list', '--limit', '1', ...filters]
  const first = await cli(asked)
  const hint = /add (--.*)$/m.exec(first.stderr)?.[1]
  expect(hint).toContain('--since 20')
  const second = await cli([...asked, ...(hint ?? '').split(' ')])
  expect(second).toMatchObject({ code: 0, stderr: '' })
  const [firstRow, secondRow] = [first, second].map(({ stdout }) => stdout.split('\n')[1])
  expect(secondRow).toMatch(/^(run|dlv|del)_/)
  expect(secondRow).not.toBe(firstRow)
})

it('takes the beginning of an id where one thing has it', async () => {
  const shown = await cli(['runs', 'show', `${runId.slice(0, 12)}…`])
  expect(shown.code).toBe(0)
  expect(shown.stdout).toContain(`Run ${runId}`)
  const none = await cli(['runs', 'show', 'run_0000000000'])
  expect(none).toMatchObject({ code: 2, stdout: '' })
  expect(none.stderr).toContain('begins with run_0000000000')
  const page = await api.call({ url: '/v1/runs' })
  const ids = (page.body['items'] as { run_id: string }[]).map(({ run_id: id }) => id)
  const shared = [...'0123456789abcdef'].find((digit) => ids.filter((id) => id[4] === digit).length > 1)
  if (shared === undefined) return
  const several = await cli(['runs', 'show', `run_${shared}`])
  expect(several.stderr).toContain('More than one id begins with')
})

it.each([
  ['a principal', () => ['principals', 'show', 'nobody']],
  ['a receipt', () => ['receipts', 'show', '1', '--run', runId]],
  ['a run', () => ['runs', 'show', `run_${'0'.repeat(32)}`]],
])('%s that is not there ends in 1', async (_what, args) => {
  const result = await cli(args())
  expect(result).toMatchObject({ code: 1, stdout: '' })
  expect(result.stderr).toContain('NOT_FOUND')
})
