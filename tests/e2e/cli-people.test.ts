/** The CLI for people at a terminal: a run that is watched and told, the inbox, contexts, completion. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDesk, runCli, spawnCli, type Desk } from '../support/cli.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'

let desk: Desk
const terminals: Terminal[] = []

beforeAll(async () => {
  desk = await openDesk()
})

afterAll(async () => {
  for (const terminal of terminals) terminal.close()
  await desk?.close()
})

function terminal(args: string[], key = desk.scenario.world.adminKey, extra = {}): Terminal {
  const environment = {
    COUNTERSIGN_URL: desk.scenario.world.apiUrl,
    COUNTERSIGN_API_KEY: key,
    ...extra,
  }
  const opened = openTerminal(args, { cwd: desk.folder, environment })
  terminals.push(opened)
  return opened
}

describe('runs watch', () => {
  it('draws the tree anew on a terminal, until the run has ended', async () => {
    const { scenario } = desk
    const run = await scenario.park('change')
    const watching = terminal(['runs', 'watch', run.runId])
    await watching.until(/waiting for an approval/)
    await watching.until(/● .*waits for people/)
    await watching.until(/waits for 1 of role lead/)
    await watching.until(/countersign approve wb_/)
    const { approval_id: approvalId, digest } = run.approval
    await scenario.lena.decideApproval({
      approval_id: approvalId,
      verdict: 'approve',
      digest,
      comment: 'fine',
    })
    await watching.until(/approve by lena@acme\.example .*fine/)
    expect(await watching.ended()).toBe(0)
    expect(watching.text()).toMatch(/✓ .*completed/)
    expect(watching.text()).toContain('2 receipts')
    // Drawn over what was there, and in colours.
    expect(watching.raw()).toMatch(/\u001B\[\d+A\r\u001B\[J/)
    expect(watching.raw()).toContain('\u001B[32m')
    const widest = Math.max(
      ...watching
        .text()
        .split(/\r?\n/)
        .map((line) => line.replaceAll('\r', '').length),
    )
    expect(widest).toBeLessThan(80)
  })

  it('has no colours where NO_COLOR is set, and leaves the run alone after Ctrl-C', async () => {
    const { scenario } = desk
    const run = await scenario.park('change')
    const watching = terminal(['runs', 'watch', run.runId], undefined, { NO_COLOR: '1' })
    await watching.until(/countersign approve wb_/)
    watching.type('\u0003')
    await watching.until(/goes on/)
    expect(await watching.ended()).toBe(130)
    expect(watching.raw()).not.toMatch(/\u001B\[\d+m/)
    expect(await scenario.look(run)).toMatchObject({ state: 'waiting_for_approval' })
  })

  it('writes a line for each change elsewhere, and ends with 1 if the run does not complete', async () => {
    const { scenario } = desk
    const run = await scenario.park('change')
    const { apiUrl, adminKey } = scenario.world
    const environment = { COUNTERSIGN_URL: apiUrl, COUNTERSIGN_API_KEY: adminKey }
    const child = spawnCli(['runs', 'watch', run.runId], { cwd: desk.folder, environment })
    let stdout = ''
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    const ended = new Promise((resolve) => child.once('close', resolve))
    await expect.poll(() => stdout, { timeout: 20_000 }).toContain('run is waiting for an approval')
    const { approval_id: approvalId, digest } = run.approval
    await scenario.lena.decideApproval({ approval_id: approvalId, verdict: 'reject', digest })
    expect(await ended).toBe(1)
    expect(stdout).toMatch(/^\d\d:\d\d:\d\dZ .*reject by lena@acme\.example/m)
    expect(stdout).toMatch(/run has ended: failed: /)
    expect(stdout).not.toContain('\u001B')
  })

  it('writes a document for each change with --json', async () => {
    const { run_id: runId } = await desk.json(['run', 'echo', '--input', '{"n":1}'])
    const { code, stdout } = await desk.cli(['runs', 'watch', runId as string, '--json'])
    expect(code).toBe(0)
    const states = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { state: string }).state)
    expect(states.at(-1)).toBe('completed')
  })
})

it('runs show tells the story', async () => {
  const { scenario, cli } = desk
  const run = await scenario.park('change')
  const { approval_id: approvalId, digest } = run.approval
  const waiting = await cli(['runs', 'show', run.runId])
  expect(waiting.stdout).toContain(`countersign approve ${approvalId}`)
  // Where the page of the run in the Temporal UI sends people to, who cannot see there whom a write waits for.
  const write = await cli(['writebacks', 'show', run.approval.writeback_id])
  expect(write.stdout).toMatch(/^Waits for +1 of role lead$/m)
  expect(write.stderr).toContain(`Decide: countersign approve ${approvalId}`)
  await scenario.lena.decideApproval({
    approval_id: approvalId,
    verdict: 'approve',
    digest,
    comment: 'as agreed',
  })
  await scenario.expectEnding(run, { state: 'completed' })
  const { code, stdout } = await cli(['runs', 'show', run.runId])
  expect(code).toBe(0)
  for (const words of [
    /^change, revision 1: completed$/m,
    /Started by carl@acme\.example \(person\): call of the API\./,
    /: writes through shop; done in [\d.]+ s/,
    /balance +100 +7/,
    /Asked 1 of role lead \(policy change, rule .+\)/,
    /lena@acme\.example said approve \(api\): “as agreed”/,
    /Outcome: applied\. Receipt 2\./,
    /^1 +decision +approve by lena@acme\.example/m,
    /Temporal UI: http/,
  ]) {
    expect(stdout).toMatch(words)
  }
})

describe('approvals next', () => {
  it('walks the inbox on a terminal: skips, and approves with a comment', async () => {
    const { scenario } = desk
    const olga = await scenario.world.as('olga@acme.example', ['treasurer'])
    const { CHANGE } = await import('../support/automations.ts')
    const effect = { require: { stages: [{ roles: ['treasurer'] }] } }
    await scenario.define('walk', [CHANGE], effect)
    const first = await scenario.park('walk')
    const second = await scenario.park('walk')
    const inbox = terminal(['approvals', 'next', '--automation', 'walk'], olga.apiKey)
    await inbox.until(/balance +100 +7/)
    await inbox.until(/\[a\]pprove, \[r\]eject, \[s\]kip or \[q\]uit\?/)
    inbox.type('x\r')
    await inbox.until(/\[q\]uit\?/)
    inbox.type('s\r')
    await inbox.until(/balance +100 +7/)
    await inbox.until(/\[q\]uit\?/)
    inbox.type('a\r')
    await inbox.until(/Comment/)
    inbox.type('seen\r')
    await inbox.until(/: approved\./)
    await inbox.until(/That was all that waits for olga@acme\.example: 2 entries\./)
    expect(await inbox.ended()).toBe(0)
    await scenario.expectEnding(second, { writebacks: ['applied'], balance: 7 })
    expect(await scenario.look(first)).toMatchObject({ state: 'waiting_for_approval' })
  })

  it('takes the answer to a question, and has it given again where it does not fit', async () => {
    const { scenario, cli } = desk
    const olga = await scenario.world.as('otto@acme.example', ['answerer'])
    const form = {
      type: 'object',
      required: ['tier'],
      properties: { tier: { type: 'string', maxLength: 4 } },
    }
    const ask = { title: 'Which tier?', markdown: '', form, of: { roles: ['answerer'] } }
    await scenario.define(
      'asks',
      [
        { name: 'tier', ask },
        { name: 'r', return: '${{ steps.tier.output }}' },
      ],
      {
        allow: true,
      },
    )
    const run = await scenario.park('asks')
    const mine = await cli(['approvals', 'list', '--mine'], { key: olga.apiKey })
    expect(mine.stdout).toMatch(/ask_\S+ +asks +question +Which tier\? +1 of role answerer +waiting/)
    const others = await cli(['approvals', 'list', '--mine'], { key: scenario.clerk.apiKey })
    expect(others.stdout).toBe('Nothing waits for an approval.\n')
    const approved = await cli(['approve', run.approval.approval_id, '--yes'], { key: olga.apiKey })
    expect(approved).toMatchObject({ code: 2, stdout: '' })
    expect(approved.stderr).toContain('is a question, and no write')
    const inbox = terminal(['approvals', 'next'], olga.apiKey)
    await inbox.until(/Which tier\?/)
    await inbox.until(/\[a\]nswer, \[s\]kip or \[q\]uit\?/)
    inbox.type('a\r')
    await inbox.until(/tier \(string\):/)
    inbox.type('golden\r')
    await inbox.until(/Comment/)
    inbox.type('\r')
    await inbox.until(/INVALID_ANSWER/)
    await inbox.until(/tier \(string\):/)
    inbox.type('gold\r')
    await inbox.until(/Comment/)
    inbox.type('\r')
    await inbox.until(/: answered\./)
    expect(await inbox.ended()).toBe(0)
    await scenario.expectEnding(run, { state: 'completed', result: { tier: 'gold' } })
  })

  it('prints the next one and how to decide elsewhere, and only what the caller may decide', async () => {
    const { scenario, cli } = desk
    await scenario.park('change')
    const mine = await cli(['approvals', 'next', '--automation', 'change'], { key: scenario.max.apiKey })
    expect(mine.code).toBe(0)
    expect(mine.stdout).toMatch(/balance +100 +7/)
    expect(mine.stdout).toMatch(/^countersign approve wb_\S+ --digest [0-9a-f]{64}$/m)
    const none = await cli(['approvals', 'next'], { key: scenario.clerk.apiKey })
    expect(none).toMatchObject({ code: 0, stdout: 'Nothing waits for carl@acme.example.\n' })
  })
})

describe('contexts', () => {
  const config = (): string => join(desk.folder, 'config')
  const contexts = (): string => join(config(), 'countersign', 'contexts.json')
  const run = (args: string[], input = '', extra = {}) =>
    runCli(args, { cwd: desk.folder, input, environment: { XDG_CONFIG_HOME: config(), ...extra } })

  it('keep a key that the server knows, for its owner only, and never show it', async () => {
    const { apiUrl } = desk.scenario.world
    const key = desk.scenario.lena.apiKey
    const refused = await run(['login', '--url', apiUrl], 'wrong\n')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(existsSync(contexts())).toBe(false)
    const login = await run(['login', '--server', apiUrl, '--name', 'shop'], `${key}\n`)
    expect(login).toMatchObject({ code: 0 })
    expect(login.stdout).toContain('as lena@acme.example')
    expect(statSync(contexts()).mode & 0o777).toBe(0o600)
    expect(statSync(join(config(), 'countersign')).mode & 0o777).toBe(0o700)
    expect(readFileSync(contexts(), 'utf8')).toContain(key)
    const shown = await Promise.all([
      run(['contexts', 'list']),
      run(['contexts', 'list', '--json']),
      run(['contexts', 'show', '--json']),
      run(['whoami']),
    ])
    for (const { code, stdout, stderr } of [login, ...shown]) {
      expect(code).toBe(0)
      expect(stdout + stderr).not.toContain(key)
    }
    expect(shown[3].stdout).toMatch(/Principal +lena@acme\.example \(person\)/)
  })

  it('are overruled by the environment, and a named one overrules it', async () => {
    const { adminKey, apiUrl } = desk.scenario.world
    const environment = { COUNTERSIGN_URL: apiUrl, COUNTERSIGN_API_KEY: adminKey }
    const principal = async (args: string[]) =>
      (
        JSON.parse((await run(['whoami', '--json', ...args], '', environment)).stdout) as {
          principal: string
        }
      ).principal
    expect(await principal([])).not.toBe('lena@acme.example')
    expect(await principal(['--context', 'shop'])).toBe('lena@acme.example')
    const typo = await run(['whoami', '--context', 'shpo'])
    expect(typo).toMatchObject({ code: 2 })
    expect(typo.stderr).toContain('Did you mean shop?')
  })

  it('send their key to their own address only', async () => {
    const elsewhere = await run(['runs', 'list', '--url', 'http://127.0.0.1:1'])
    expect(elsewhere).toMatchObject({ code: 2 })
    expect(elsewhere.stderr).toContain('There is no API key for http://127.0.0.1:1.')
  })

  it('are not read from a file that others can read', async () => {
    chmodSync(contexts(), 0o644)
    expect(await run(['whoami'])).toMatchObject({ code: 2 })
    chmodSync(contexts(), 0o600)
  })

  it('yield to the `dev` of the folder, and say so', async () => {
    const folder = join(desk.folder, 'project')
    mkdirSync(join(folder, '.countersign'), { recursive: true })
    const { apiUrl, adminKey } = desk.scenario.world
    const addresses = { url: apiUrl, temporalAddress: '', temporalUiUrl: '', databaseUrl: '' }
    const state = { organization: 'acme', keys: { acme: adminKey }, pids: {}, ...addresses }
    desk.file('project/.countersign/dev.json', state)
    const options = { cwd: folder, environment: { XDG_CONFIG_HOME: config() } }
    const used = await runCli(['contexts', 'use', 'shop'], options)
    expect(used.stderr).toContain('Here it is not used: countersign dev')
  })

  it('are forgotten by logout', async () => {
    expect(await run(['logout'])).toMatchObject({ code: 0 })
    expect((await run(['contexts', 'list'])).stdout).toContain('There are none')
    expect(await run(['whoami'])).toMatchObject({ code: 2 })
  })
})

describe('doctor', () => {
  it('says to whoever is no administrator what could not be checked', async () => {
    const { code, stdout } = await desk.cli(['doctor'], { key: desk.scenario.lena.apiKey })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ok +server .* answers \(from COUNTERSIGN_URL\)\.$/m)
    expect(stdout).toMatch(/^warn +key .*without the scope `admin`/m)
  })

  it('says that a key is not valid, and what to do', async () => {
    const { code, stdout } = await desk.cli(['doctor'], { key: 'wrong' })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^FAIL +key .*unknown, revoked or expired.*\n +→ Ask an administrator/m)
  })
})

describe('completion', () => {
  /** What bash offers for a line that ends here. */
  function offered(script: string, words: string[]): Promise<string[]> {
    const lines = [
      script,
      `COMP_WORDS=(countersign ${words.map((word) => `'${word}'`).join(' ')})`,
      `COMP_CWORD=${words.length}`,
      '_countersign',
      'printf "%s\\n" "${COMPREPLY[@]}"',
      'complete -p countersign',
    ]
    const bash = spawn('bash', ['--norc', '-c', lines.join('\n')])
    let output = ''
    bash.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    bash.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return new Promise((resolve) => bash.once('close', () => resolve(output.trim().split('\n'))))
  }

  it('offers commands, options and choices in bash', async () => {
    const { code, stdout: script } = await runCli(['completion', 'bash'], { cwd: desk.folder })
    expect(code).toBe(0)
    const registration = 'complete -o default -F _countersign countersign'
    expect(await offered(script, ['appro'])).toEqual(['approvals', 'approve', registration])
    expect(await offered(script, ['runs', ''])).toEqual(
      expect.arrayContaining(['list', 'show', 'watch', 'cancel']),
    )
    expect(await offered(script, ['runs', 'list', '--st'])).toEqual(['--state', registration])
    expect(await offered(script, ['runs', 'list', '--state', 'wait'])).toEqual([
      'waiting_for_approval',
      'waiting_for_resolution',
      registration,
    ])
    expect(await offered(script, ['runs', 'list', '--limit', '5', '--auto'])).toEqual([
      '--automation',
      registration,
    ])
    // A value that only the caller knows: bash offers files.
    expect(await offered(script, ['runs', 'list', '--automation', 'x'])).toEqual([registration])
  })

  it.each(['zsh', 'fish'])('has a script for %s', async (shell) => {
    const { code, stdout } = await runCli(['completion', shell], { cwd: desk.folder })
    expect(code).toBe(0)
    expect(stdout).toContain('runs watch')
  })
})
