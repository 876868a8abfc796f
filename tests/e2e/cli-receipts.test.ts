/** Receipts and keys by the CLI: the evidence of a real run, whole and in every way damaged. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../lib/canonical-json.ts'
import { publicKeysFile } from '../../lib/keys.ts'
import { largeWrites } from '../support/automations.ts'
import { openDesk, runCli, type Desk } from '../support/cli.ts'

let desk: Desk

const digestIn = (receipt?: { payload: string }): string =>
  sha256Hex(Buffer.from(receipt?.payload ?? '', 'base64'))
const payloadOf = (document: object): string => Buffer.from(JSON.stringify(document)).toString('base64')

beforeAll(async () => {
  desk = await openDesk()
})

afterAll(() => desk?.close())

describe('receipts', () => {
  interface Exported {
    run_id: string
    receipts: { payload: string }[]
    signed_head: { payload: string }
  }
  let exported: Exported
  let keys: string

  beforeAll(async () => {
    keys = publicKeysFile(desk.scenario.world.keysFolder)
    const run = await desk.scenario.park('change')
    const { approval_id: id, digest } = run.approval
    await desk.cli(['approve', id, '--digest', digest], { key: desk.scenario.lena.apiKey })
    await desk.scenario.expectEnding(run, { state: 'completed' })
    const output = join(desk.folder, 'receipts.json')
    expect(await desk.cli(['receipts', 'export', '--run', run.runId, '-o', output])).toMatchObject({
      code: 0,
    })
    exported = JSON.parse(readFileSync(output, 'utf8')) as Exported
    expect((await desk.cli(['receipts', 'list', '--run', run.runId])).stdout).toMatch(
      /1 .*decision.*\n2 .*outcome/,
    )
  })

  const CASES: { what: string; change: (file: Exported) => unknown; code: number; text: string }[] = [
    { what: 'as exported', change: (content) => content, code: 0, text: '2 receipts: every signature' },
    {
      what: 'with a changed receipt',
      change: ({ receipts: [first, second], signed_head }) => ({
        receipts: [{ ...first, payload: Buffer.from('{}').toString('base64') }, second],
        signed_head,
      }),
      code: 1,
      text: 'receipt 1 of 2: is not signed by a key that we trust, or was changed',
    },
    {
      what: 'with the first one missing',
      change: ({ receipts: [, second], signed_head }) => ({ receipts: [second], signed_head }),
      code: 1,
      text: 'one before it is missing',
    },
    {
      what: 'with the last one missing',
      change: ({ receipts: [first], signed_head }) => ({ receipts: [first], signed_head }),
      code: 1,
      text: 'the end is missing or differs',
    },
    {
      what: 'of another run',
      change: (content) => ({ ...content, run_id: 'run_other' }),
      code: 1,
      text: 'not of run_other',
    },
    {
      what: 'with the last one missing and a head of his own that says so',
      change: ({ receipts: [first] }) => ({ receipts: [first], head: { seq: 1, sha256: digestIn(first) } }),
      code: 0,
      text: 'whether receipts are missing at the end cannot be seen',
    },
    {
      what: 'with the last one missing and a changed head',
      change: ({ receipts: [first], run_id, signed_head }) => ({
        receipts: [first],
        signed_head: {
          ...signed_head,
          payload: payloadOf({ runId: run_id, seq: 1, sha256: digestIn(first) }),
        },
      }),
      code: 1,
      text: 'the head is not signed by a key that we trust, or was changed',
    },
    { what: 'without a head', change: ({ receipts }) => ({ receipts }), code: 0, text: 'warning: ' },
    { what: 'without receipts', change: () => ({ receipts: [] }), code: 1, text: 'nothing to verify' },
    { what: 'that are something else', change: () => ({ a: 1 }), code: 2, text: 'is not a file of receipts' },
  ]

  it.each(CASES)('$what end with $code', async ({ change, code, text }) => {
    const path = desk.file('check.json', change(exported))
    const result = await runCli(['receipts', 'verify', path, '--keys', keys], { cwd: desk.folder })
    expect(result).toMatchObject({ code })
    expect(result.stdout + result.stderr).toContain(text)
  })

  it('are checked with the keys that `keys public` prints, with or without --json', async () => {
    const path = desk.file('check.json', exported)
    for (const args of [
      ['keys', 'public'],
      ['keys', 'public', '--json'],
    ]) {
      const published = desk.file('public.json', (await desk.cli(args)).stdout)
      const result = await runCli(['receipts', 'verify', path, '--keys', published, '--json'], {
        cwd: desk.folder,
      })
      expect(JSON.parse(result.stdout)).toMatchObject({ valid: true, receipts: 2, has_head: true })
    }
  })

  it('are compared with the run that one asks about, whatever the file says', async () => {
    const { run_id: runId } = exported
    const path = desk.file('check.json', { ...exported, run_id: undefined })
    const verify = (run: string) =>
      runCli(['receipts', 'verify', path, '--keys', keys, '--run', run], { cwd: desk.folder })
    const right = await verify(runId)
    expect(right).toMatchObject({ code: 0 })
    expect(right.stdout).toMatch(new RegExp(`^1 .* ${runId}$`, 'm'))
    expect(await verify('run_other')).toMatchObject({ code: 1 })
  })

  it('of another deployment are not verified', async () => {
    const path = desk.file('check.json', exported)
    const result = await runCli(['receipts', 'verify', path, '--keys', desk.file('none.json', [])], {
      cwd: desk.folder,
    })
    expect(result).toMatchObject({ code: 1 })
  })
})

describe('keys', () => {
  it('are created, shown once on standard output, and revoked', async () => {
    const who = ['--principal', 'bea@acme.example', '--role', 'lead', '--scope', 'read', 'approve']
    const { code, stdout, stderr } = await desk.cli(['keys', 'create', ...who])
    expect(code).toBe(0)
    const key = stdout.trim()
    expect(key).toMatch(/^cs_\S+$/)
    const [, id = ''] = /(key_[0-9a-f]{32})/.exec(stderr) ?? []
    expect(await desk.cli(['runs', 'list'], { key })).toMatchObject({ code: 0 })
    expect(await desk.cli(['keys', 'revoke', id])).toMatchObject({ code: 0, stdout: `${id}: revoked.\n` })
    expect(await desk.cli(['runs', 'list'], { key })).toMatchObject({ code: 1 })
    expect((await desk.cli(['keys', 'list'])).stdout).toMatch(
      new RegExp(`${id} +bea@acme.example +lead .*revoked`),
    )
  })
})

describe('receipts that are too large for one page', () => {
  const WRITES = 3
  let runId: string

  beforeAll(async () => {
    const { scenario } = desk
    for (const tool of scenario.server.tools) tool.run = () => ({ content: [{ type: 'text', text: 'ok' }] })
    await scenario.define('large', largeWrites(WRITES), { allow: true })
    const run = await scenario.start('large')
    await scenario.world.temporal.workflow.getHandle(run.workflowId).result()
    runId = run.runId
    const page = await scenario.world.admin.listReceipts({ run_id: runId })
    expect([page.receipts.length, page.next_cursor]).toEqual([1, expect.any(String)])
  }, 180_000)

  it('are exported with all pages, and verify', async () => {
    const output = join(desk.folder, 'large.json')
    const exported = await desk.cli(['receipts', 'export', '--run', runId, '-o', output])
    expect(exported).toMatchObject({ code: 0 })
    expect(exported.stderr).toContain(`${WRITES} receipts are in`)
    const keys = publicKeysFile(desk.scenario.world.keysFolder)
    const verified = await runCli(['receipts', 'verify', output, '--keys', keys], { cwd: desk.folder })
    expect(verified).toMatchObject({ code: 0 })
    expect(verified.stdout).toContain(`${WRITES} receipts: every signature and every link is right.`)
  })

  it('are listed, and told of a run, all of them', async () => {
    const listed = await desk.cli(['receipts', 'list', '--run', runId])
    expect(listed.stdout).toMatch(/^1 .*outcome.*\n2 .*outcome.*\n3 .*outcome/m)
    const told = await desk.cli(['runs', 'show', runId])
    expect(told.stdout).toMatch(/^1 .*outcome +applied.*\n2 .*\n3 .*outcome +applied/m)
    const shown = await desk.json(['receipts', 'show', '3', '--run', runId])
    expect(shown).toMatchObject({ seq: 3 })
    const missing = await desk.cli(['receipts', 'show', '4', '--run', runId])
    expect(missing.stderr).toContain('It has 3.')
  })
})
