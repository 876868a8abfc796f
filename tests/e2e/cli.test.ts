/** The CLI as people run it: a child process against a real API with a worker. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { policyFor } from '../support/automations.ts'
import { openDesk, runCli, type Desk } from '../support/cli.ts'

let desk: Desk

beforeAll(async () => {
  desk = await openDesk()
})

afterAll(() => desk?.close())

describe('the command line', () => {
  it.each([
    { args: ['--help'], code: 0, stdout: 'Exit codes:' },
    { args: ['approve', '--help'], code: 0, stdout: 'Example' },
    { args: ['receipts', '--help'], code: 0, stdout: 'Example' },
    { args: ['rnus', 'list'], code: 2, stderr: 'Did you mean `countersign runs`?' },
    { args: ['runs', 'lsit'], code: 2, stderr: 'Did you mean `countersign runs list`?' },
    { args: ['apply'], code: 2, stderr: '--file' },
    { args: ['runs', 'list', '--limit', '900'], code: 2, stderr: 'from 1 to 100' },
    { args: ['run', 'echo', '--input', '{'], code: 2, stderr: 'is not JSON' },
    { args: ['manifests', 'show', 'Automaton', 'echo'], code: 2, stderr: 'Did you mean Automation?' },
    { args: ['runs', 'list', '--url', 'example'], code: 2, stderr: 'is not the address of an API' },
    { args: ['runs', 'list', '--url', 'http://127.0.0.1:1'], code: 3, stderr: 'cannot be reached' },
    { args: ['runs', 'list', '--key', 'wrong'], code: 1, stderr: 'UNAUTHENTICATED: ' },
    { args: ['runs', 'show', `run_${'0'.repeat(32)}`], code: 1, stderr: 'NOT_FOUND: ' },
    { args: ['receipts', 'ddl'], code: 0, stdout: 'create table if not exists countersign_receipts' },
  ])('$args ends with $code', async ({ args, code, stdout = '', stderr = '' }) => {
    const result = await desk.cli(args)
    expect(result).toMatchObject({ code })
    expect(result.stdout).toContain(stdout)
    expect(result.stderr).toContain(stderr)
  })

  it('says what to do when nobody has said which API and whose key', async () => {
    const result = await runCli(['runs', 'list'], { cwd: desk.folder })
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toContain('Start `countersign dev` in this folder')
  })

  it('sends the key that `dev` noted to the noted address only', async () => {
    const data = join(desk.folder, 'noted')
    const { apiUrl, adminKey } = desk.scenario.world
    mkdirSync(data)
    const state = { organization: 'acme', keys: { acme: adminKey }, pids: {}, databaseUrl: '' }
    const addresses = { url: apiUrl, temporalAddress: '', temporalUiUrl: '' }
    desk.file('noted/dev.json', { ...state, ...addresses })
    const here = await runCli(['runs', 'list', '--data', data], { cwd: desk.folder })
    expect(here).toMatchObject({ code: 0 })
    const args = ['runs', 'list', '--data', data, '--url', 'http://127.0.0.1:1']
    const elsewhere = await runCli(args, { cwd: desk.folder })
    expect(elsewhere).toMatchObject({ code: 2 })
    expect(elsewhere.stderr).toContain('There is no API key for http://127.0.0.1:1.')
  })

  it('prints a refusal as JSON where JSON was asked for', async () => {
    const { code, stderr } = await desk.cli(['run', 'nothing', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({ code: 'NOT_FOUND' })
  })

  it.each([
    ['runs', 'list'],
    ['approvals', 'list', '--state', 'all'],
    ['writebacks', 'list'],
    ['manifests', 'list'],
    ['keys', 'list'],
  ])('%s %s prints the answer of the API with --json', async (...args) => {
    expect(await desk.json(args)).toMatchObject({ items: expect.any(Array) as unknown, next_cursor: null })
  })
})

describe('apply', () => {
  const GOOD = `
kind: Automation
name: from-file
spec:
  steps: [{ name: answer, return: 1 }]
---
kind: Policy
name: from-file
spec:
  rules: [{ name: all, match: { automation: from-file }, allow: true }]
`

  it('says of each manifest what happened, and nothing changes the second time', async () => {
    const path = desk.file('good.yaml', GOOD)
    const first = await desk.cli(['apply', '-f', path])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toMatch(/Automation +from-file +1 +changed\nPolicy +from-file +1 +changed\n/)
    const second = await desk.cli(['apply', '-f', '-'], { input: GOOD })
    expect(second.stdout).toMatch(/Automation +from-file +1 +unchanged\n/)
    expect((await desk.cli(['manifests', 'show', 'policy', 'from-file'])).stdout).toContain('kind: Policy')
  })

  it('reads a folder in the order of its names', async () => {
    mkdirSync(join(desk.folder, 'manifests'))
    desk.file('manifests/2.json', policyFor('in-folder', { allow: true }))
    desk.file(
      'manifests/1.yml',
      'kind: Automation\nname: in-folder\nspec: { steps: [{ name: a, return: 1 }] }',
    )
    desk.file('manifests/notes.txt', 'not a manifest')
    const { stdout } = await desk.cli(['apply', '-f', join(desk.folder, 'manifests')])
    expect(stdout).toMatch(/Automation +in-folder.*\nPolicy +in-folder/)
  })

  it('names file, line and place of everything that is wrong', async () => {
    const path = desk.file(
      'bad.yaml',
      `${GOOD}---\nkind: Automation\nname: bad\nspec: { steps: [{ name: A }] }\n`,
    )
    const { code, stderr } = await desk.cli(['apply', '-f', path])
    expect(code).toBe(1)
    expect(stderr).toContain('INVALID_MANIFEST: ')
    expect(stderr).toContain('bad.yaml:14:17 spec.steps[0]')
  })

  it.each([
    { content: 'kind: [', text: 'broken.yaml:1:8: ' },
    { content: 'hello', text: 'is not a manifest' },
    { content: '# nothing', text: 'holds no manifest' },
  ])('refuses $content without asking the API', async ({ content, text }) => {
    const { code, stderr } = await desk.cli(['apply', '-f', desk.file('broken.yaml', content)])
    expect(code).toBe(2)
    expect(stderr).toContain(text)
  })
})

describe('run', () => {
  it('waits for the end and shows the result', async () => {
    const { code, stdout } = await desk.cli(['run', 'echo', '--input', '{"n":1}', '--wait'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/State +completed/)
    expect(stdout).toMatch(/Result +\{"n":1\}/)
  })

  it('takes its input from a file, and starts one run for one key', async () => {
    const args = [
      'run',
      'echo',
      '--input',
      `@${desk.file('input.json', { n: 2 })}`,
      '--idempotency-key',
      'once',
    ]
    const { run_id: runId } = await desk.json(args)
    expect(await desk.json(args)).toMatchObject({ run_id: runId, duplicate: true })
    expect(await desk.json(['runs', 'show', runId as string])).toMatchObject({ input: { n: 2 } })
  })
})

describe('a write that waits', () => {
  it('is not decided unseen where nobody can be asked', async () => {
    const { approval } = await desk.scenario.park('change')
    const { code, stderr } = await desk.cli(['approve', approval.approval_id], {
      key: desk.scenario.lena.apiKey,
    })
    expect(code).toBe(2)
    expect(stderr).toContain('--digest')
    expect((await desk.cli(['approvals', 'show', approval.approval_id])).stdout).toMatch(/balance +100 +7/)
  })

  it('is refused with code and hint when somebody without the role approves', async () => {
    const { approval } = await desk.scenario.park('change')
    const args = ['approve', approval.approval_id, '--digest', approval.digest]
    const { code, stderr } = await desk.cli(args, { key: desk.scenario.clerk.apiKey })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^SELF_APPROVAL: .+\n.+\n {2}Ask somebody else/)
  })

  it('is rejected with a comment', async () => {
    const run = await desk.scenario.park('change')
    const args = ['reject', run.approval.approval_id, '--yes', '--comment', 'not this one']
    const { code, stdout, stderr } = await desk.cli(args, { key: desk.scenario.lena.apiKey })
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('rejected') as unknown,
    })
    expect(stderr).toMatch(/balance +100 +7/)
    await desk.scenario.expectEnding(run, { writebacks: ['rejected'], balance: 100 })
  })

  it('is approved by a ticket, of which standard output is exactly the input of the signal', async () => {
    const run = await desk.scenario.park('change')
    const { approval } = run
    const args = ['approve', approval.approval_id, '--ticket', '--digest', approval.digest]
    const { code, stdout, stderr } = await desk.cli(args, { key: desk.scenario.lena.apiKey })
    expect(code).toBe(0)
    expect(stderr).toContain('temporal workflow signal')
    expect((await desk.scenario.look(run)).writebacks).toEqual(['planned'])
    const handle = desk.scenario.world.temporal.workflow.getHandle(approval.temporal_workflow_id)
    await handle.signal('approve', JSON.parse(stdout))
    await desk.scenario.expectEnding(run, { writebacks: ['applied'], balance: 7, changes: 1 })
  })
})
