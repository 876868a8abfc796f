/**
 * The programs as an operator runs them: started in any order, several at once, stopped in the middle of things. Nothing
 * that was accepted is lost, and nothing happens twice.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { createDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { inLanes } from '../../lib/lanes.ts'
import { ensureKeys, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import type { JsonObject } from '../../lib/json.ts'
import { scheduleId } from '../../schemas/names.ts'
import { createClient } from '../../sdk/client/index.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { freePort } from '../api/ports.ts'
import { returningAutomation } from '../api/support.ts'
import { connections, LOOK, NOTE } from '../support/automations.ts'
import { runCli } from '../support/cli.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { createLine, startApiProcess, startProgram, type Program } from '../support/processes.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Of a machine that has other things to do. */
const PATIENCE_MS = 120_000
vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: 2 * PATIENCE_MS })

const programs: Program[] = []
const folder = mkdtempSync(join(tmpdir(), 'countersign-processes-'))

function keep<P extends Program>(program: P): P {
  programs.push(program)
  return program
}

async function endAll(): Promise<void> {
  await Promise.all(programs.splice(0).map((program) => program.stop()))
}

afterAll(async () => {
  await endAll()
  rmSync(folder, { recursive: true, force: true })
})

interface Accepted {
  key: string
  runId: string
  deliveryId: string
}

/** A start over HTTP, once: undefined if there was no 2xx. */
async function post(url: string, apiKey: string, key: string, input: unknown): Promise<Accepted | undefined> {
  try {
    const response = await fetch(`${url}/v1/automations/count/runs`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ input }),
    })
    if (!response.ok) return undefined
    const body = (await response.json()) as { run_id: string; delivery_id: string }
    return { key, runId: body.run_id, deliveryId: body.delivery_id }
  } catch {
    return undefined
  }
}

describe('two APIs and two workers', () => {
  let scenario: Scenario
  const workers: Program[] = []
  let apis: (Program & { url: string })[]
  /** How long a call to the tools takes. */
  let delayMs = 0

  const startWorker = async (): Promise<Program> => {
    const worker = startProgram('workers/main', environment())
    await worker.says('worker started')
    return worker
  }
  const environment = (of: 'api' | 'worker' = 'worker'): Record<string, string> => ({
    ...scenario.world.environment(of),
    COUNTERSIGN_SECRET_SHOP_DATABASE_URL: scenario.secrets['SHOP_DATABASE_URL'] ?? '',
  })

  beforeAll(async () => {
    let stopFirst: (() => Promise<void>) | undefined
    scenario = await startScenario({
      worker: false,
      beforeApply: async (world) => {
        stopFirst = await startWorkerHere(world, { database: world.database, secrets: {} })
      },
    })
    for (const tool of scenario.server.tools) {
      const { run } = tool
      tool.run = async (args, context) => {
        await sleep(delayMs)
        return run(args, context)
      }
    }
    // A call that takes long is no call that fails: how fast this machine is must not matter here.
    await scenario.apply(
      ...connections({ toolsUrl: scenario.server.url }).map(({ spec, ...connection }) => ({
        ...connection,
        spec: { ...(spec as JsonObject), timeout: '60s' },
      })),
    )
    await scenario.define('count', [NOTE], { allow: true })
    await scenario.define('read', [LOOK], { allow: true })
    await stopFirst?.()
    const [first, second] = await Promise.all([startWorker(), startWorker()])
    workers.push(first, second)
    const ports = [await freePort(), await freePort()]
    apis = await Promise.all(ports.map((port) => startApiProcess(environment('api'), port)))
  })
  afterAll(async () => {
    await Promise.all([...workers, ...apis].map((program) => program.stop()))
    for (const kind of ['reconcile', 'retention'] as const) {
      const id = scheduleId(kind, scenario.world.taskQueue)
      await scenario.world.temporal.schedule.getHandle(id).delete()
    }
    await scenario.close()
  })
  afterEach(() => {
    delayMs = 0
  })

  const urlOf = (index: number): string => apis[index % apis.length]?.url ?? ''

  it('start each of a hundred deliveries once, though each is sent to both', async () => {
    const { adminKey } = scenario.world
    const keys = Array.from({ length: 100 }, () => randomUUID())
    const sendings = [...keys.entries(), ...keys.entries(), ...[...keys.entries()].toReversed()]
    const seen = new Map<string, Set<string>>()
    let index = 0
    await inLanes(sendings, 8, async ([number, key]) => {
      const answer = await post(urlOf(index++), adminKey, key, { account: `once-${number}`, balance: 1 })
      if (!answer) throw new Error('a start was not accepted')
      seen.set(key, (seen.get(key) ?? new Set()).add(answer.runId))
    })
    expect([...seen.values()].every((runs) => runs.size === 1)).toBe(true)
    const called = () =>
      scenario.server.calls
        .map((call) => String(call.arguments['about']))
        .filter((about) => about.startsWith('once-'))
    await eventually(async () => new Set(called()).size === 100, PATIENCE_MS)
    await allCompleted([...seen.values()].flatMap((runs) => [...runs]))
    expect(called()).toHaveLength(100)
  })

  async function allCompleted(runIds: string[]): Promise<void> {
    await inLanes(runIds, 4, async (runId) => {
      const run = await eventually(async () => {
        const { state, failure } = await scenario.world.admin.getRun({ run_id: runId })
        return !['pending', 'running'].includes(state) && { state, failure }
      }, PATIENCE_MS)
      expect(run).toEqual({ state: 'completed', failure: null })
    })
  }

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'lose nothing that was accepted when one gets %s under load',
    async (signal) => {
      const { adminKey } = scenario.world
      const victim = await startApiProcess(environment('api'), await freePort())
      const accepted: Accepted[] = []
      let isOver = false
      const load = Array.from({ length: 6 }, async (_, lane) => {
        for (let count = 0; !isOver && count < 400; count++) {
          const account = `${signal}-${lane}-${count}`
          const answer = await post(victim.url, adminKey, randomUUID(), { account, balance: 1 })
          if (answer) accepted.push(answer)
          else if (victim.output().includes('stopping') || isOver) return
        }
      })
      await eventually(async () => accepted.length > 30)
      victim.send(signal)
      expect(await victim.exited).toBe(signal === 'SIGTERM' ? 0 : null)
      isOver = true
      await Promise.all(load)
      expect(accepted.length).toBeGreaterThan(30)
      await allCompleted(accepted.map(({ runId }) => runId))
      const calls = scenario.server.calls.filter((call) =>
        String(call.arguments['about']).startsWith(`${signal}-`),
      )
      const times = new Map<unknown, number>()
      for (const call of calls)
        times.set(call.arguments['about'], (times.get(call.arguments['about']) ?? 0) + 1)
      expect([...times.values()].filter((count) => count !== 1)).toEqual([])
    },
  )

  it('end a write that is under way when its worker is asked to stop, and the run goes on elsewhere', async () => {
    // Alone, so that the call is surely his.
    await Promise.all(workers.splice(0).map((worker) => worker.stop()))
    const worker = await startWorker()
    delayMs = 1_200
    const run = await scenario.start('count')
    await eventually(async () => scenario.notes(run).length > 0)
    const stopping = worker.stop()
    const next = startWorker()
    expect(await stopping).toBe(0)
    expect(worker.output()).toContain('worker stopped')
    workers.push(await next)
    const ending = await scenario.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
    expect(ending.receipts).toEqual(['outcome applied'])
  })

  it('hand a reading that does not end in time to another worker', async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()))
    const { world, secrets } = scenario
    // Has half a second for what is under way.
    const stop = await startWorkerHere(world, { database: world.database, secrets })
    delayMs = 20_000
    const run = await scenario.start('read')
    // Others may still be under way.
    const calls = () => scenario.server.calls.filter((call) => call.arguments['about'] === run.account)
    await eventually(async () => calls().length > 0)
    await stop()
    expect((await scenario.look(run)).state).toBe('running')
    delayMs = 0
    workers.push(await startWorker())
    await scenario.expectEnding(run, { state: 'completed' })
    expect(calls()).toHaveLength(2)
  })

  it('are well, says the doctor, and what is wrong it says with what to do', async () => {
    const [api] = apis
    if (!api) throw new Error('there is no API')
    const { temporal, taskQueue, adminKey } = scenario.world
    const doctor = async (...args: string[]) =>
      runCli(['doctor', '--url', api.url, '--key', adminKey, ...args], { cwd: folder })
    const reconciler = temporal.schedule.getHandle(scheduleId('reconcile', taskQueue))
    await reconciler.trigger()
    const healthy = await vi.waitFor(
      async () => {
        const result = await doctor('--json')
        const report = JSON.parse(result.stdout) as { checks: { status: string }[] }
        expect(report.checks.filter(({ status }) => status !== 'ok')).toEqual([])
        return result
      },
      { timeout: PATIENCE_MS, interval: 500 },
    )
    expect(healthy.code).toBe(0)
    const names = (JSON.parse(healthy.stdout) as { checks: { name: string }[] }).checks.map(
      ({ name }) => name,
    )
    expect(names.sort()).toEqual([
      'clock_here',
      'clocks',
      'connections',
      'database_roles',
      'deliveries',
      'key',
      'keys',
      'migrations',
      'namespace',
      'open_writes',
      'postgresql',
      'reconciler',
      'retention',
      'runs',
      'search_attributes',
      'server',
      'temporal',
      'unknown_outcomes',
      'workers',
    ])
    await reconciler.delete()
    const sick = await doctor()
    expect(sick.code).toBe(1)
    expect(sick.stdout).toMatch(/FAIL {2}reconciler +There is no Schedule for it\.\n +→ Start the API anew/)
    await apis.pop()?.stop()
    apis.push(await startApiProcess(environment('api'), await freePort()))
    await eventually(async () => (await doctor()).code === 0, PATIENCE_MS)
    const unreachable = await runCli(
      ['doctor', '--url', `http://127.0.0.1:${await freePort()}`, '--key', 'x'],
      {
        cwd: folder,
      },
    )
    expect(unreachable.code).toBe(3)
  })
})

describe('a start', () => {
  const keysFolder = join(folder, 'keys')
  beforeAll(() => ensureKeys(keysFolder))
  afterEach(endAll)

  const freshDatabase = () =>
    ensureDatabase(inject('databaseUrl'), `start_${randomUUID().replaceAll('-', '')}`)
  const base = (databaseUrl: string) => ({
    PATH: process.env['PATH'] ?? '',
    TZ: 'UTC',
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    COUNTERSIGN_TASK_QUEUE: `start-${randomUUID()}`,
    COUNTERSIGN_KEYS_DIR: keysFolder,
  })

  it('without PostgreSQL and Temporal waits, says for what, and goes on when they come', async () => {
    const databaseUrl = await freshDatabase()
    const [databasePort, temporalPort] = [await freePort(), await freePort()]
    const target = new URL(databaseUrl)
    const away = new URL(databaseUrl)
    away.host = `127.0.0.1:${databasePort}`
    const postgres = createLine(databasePort, { host: target.hostname, port: Number(target.port) })
    const [host = '', port] = inject('temporalAddress').split(':')
    const temporal = createLine(temporalPort, { host, port: Number(port) })
    const apiPort = await freePort()
    const environment = {
      ...base(away.href),
      TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}`,
      PORT: String(apiPort),
    }
    const api = keep(startProgram('api/main', environment))
    const worker = keep(startProgram('workers/main', environment))
    await Promise.all([api.says('waiting for PostgreSQL'), worker.says('waiting for PostgreSQL')])
    await postgres.on()
    try {
      await Promise.all([api.says('Temporal does not answer'), worker.says('waiting for Temporal')])
      const database = createDatabase(databaseUrl)
      const { key } = await bootstrapOrganization(database, {
        organization: 'acme',
        admin: 'ops@acme.example',
      })
      await database.end()
      const url = `http://127.0.0.1:${apiPort}`
      const client = createClient({ baseUrl: url, apiKey: key })
      await client.applyManifests({ manifests: [returningAutomation('echo')] })
      const askedAtMs = Date.now()
      const started = await client.startRun({ name: 'echo', input: { a: 1 } })
      expect(started.state).toBe('pending')
      // Less than the patience of a call alone: it is known to be away.
      expect(Date.now() - askedAtMs).toBeLessThan(3_000)
      await temporal.on()
      await Promise.all([api.says('Temporal answers'), worker.says('worker started')])
      await eventually(
        async () => (await client.getRun({ run_id: started.run_id })).state === 'completed',
        PATIENCE_MS,
      )
      // Temporal's core has words of its own once it has tried for some seconds: they are lines of our log too.
      await temporal.off()
      await worker.says(' retried ')
      await temporal.on()
      expect(await api.stop()).toBe(0)
      expect(await worker.stop()).toBe(0)
      for (const line of [api, worker].flatMap((each) => each.output().trimEnd().split('\n')))
        expect(line).toMatch(/^\{"level":\d+,.*\}$/)
    } finally {
      await Promise.all([postgres.off(), temporal.off()])
    }
  })

  it('can be called off while it waits', async () => {
    const nowhere = {
      ...base(`postgres://nobody@127.0.0.1:${await freePort()}/none`),
      TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}`,
    }
    const early = keep(startProgram('workers/main', nowhere))
    const late = keep(startProgram('workers/main', { ...nowhere, DATABASE_URL: await freshDatabase() }))
    await Promise.all([early.says('waiting for PostgreSQL'), late.says('waiting for Temporal')])
    expect(await early.stop()).toBe(0)
    expect(await late.stop()).toBe(0)
  })

  it('of several at once apply each migration once, and one with a changed file is refused', async () => {
    const databaseUrl = await freshDatabase()
    const environment = base(databaseUrl)
    const ports = [await freePort(), await freePort()]
    const worker = keep(startProgram('workers/main', environment))
    const apis = await Promise.all(ports.map((port) => startApiProcess(environment, port)))
    apis.forEach(keep)
    await worker.says('worker started')
    const database = createDatabase(databaseUrl)
    try {
      expect(await migrate(database)).toEqual([])
      // Each file by one of them; which, is left to chance.
      const applied = [...apis, worker].flatMap((each) => appliedBy(each.output()))
      const { rows } = await database.query<{ name: string }>('select name from schema_migrations')
      expect(applied.toSorted()).toEqual(rows.map(({ name }) => name).toSorted())
      await endAll()
      await database.query(`update schema_migrations set sha256 = 'another'`)
      const refused = [
        keep(startProgram('api/main', { ...environment, PORT: String(ports[0]) })),
        keep(startProgram('workers/main', environment)),
      ]
      for (const program of refused) {
        expect(await program.exited).toBe(1)
        expect(program.output()).toContain('has changed since it was applied: restore the file')
      }
    } finally {
      await database.end()
    }
  })

  it('of a worker in a namespace that does not exist ends at once, and says so', async () => {
    const environment = { ...base(await freshDatabase()), TEMPORAL_NAMESPACE: 'no-such-namespace' }
    const worker = keep(startProgram('workers/main', environment))
    await worker.says('the worker cannot go on')
    const stillThere = sleep(20_000, 'still there', { ref: false })
    expect(await Promise.race([worker.exited, stillThere])).toBe(1)
  })

  it('of an API on a port that is taken ends at once, and says so', async () => {
    const environment = { ...base(await freshDatabase()), HOST: '127.0.0.1' }
    const port = await freePort()
    keep(await startApiProcess(environment, port))
    const second = keep(startProgram('api/main', { ...environment, PORT: String(port) }))
    await second.says('the API cannot start')
    const stillThere = sleep(20_000, 'still there', { ref: false })
    expect(await Promise.race([second.exited, stillThere])).toBe(1)
  })

  it('without keys is refused, with the command that makes them', async () => {
    const missing = join(folder, 'not-yet')
    const environment = { ...base(await freshDatabase()), COUNTERSIGN_KEYS_DIR: missing }
    for (const file of ['api/main', 'workers/main'] as const) {
      const program = keep(startProgram(file, environment))
      expect(await program.exited).toBe(1)
      expect(program.output()).toContain('countersign keys init --folder')
    }
    const made = await Promise.all(
      [1, 2, 3].map(() => runCli(['keys', 'init', '--folder', missing, '--json'], { cwd: folder })),
    )
    expect(made.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(new Set(made.map(({ stdout }) => stdout)).size).toBe(1)
    expect(loadTrustedKeys(publicKeysFile(missing)).map(({ purpose }) => purpose)).toEqual([
      'decision',
      'receipt',
    ])
    const api = keep(await startApiProcess(environment, await freePort()))
    expect(await api.stop()).toBe(0)
  })
})

/** The files of migrations that a process says it has applied. */
function appliedBy(output: string): string[] {
  const said = output.split('\n').filter((line) => line.includes('the database is up to date'))
  return said.flatMap((line) => (JSON.parse(line) as { applied: string[] }).applied)
}
