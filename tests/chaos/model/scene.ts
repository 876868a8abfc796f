/** The product that the model is compared with: one deployment for many histories at once, with workers to be killed. */
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../../lib/json.ts'
import { CHANGE, needs, NOTE, NOTE_AGAIN, ONE_LEAD } from '../../support/automations.ts'
import {
  about,
  startScenario,
  type Person,
  type Scenario,
  type ScenarioOptions,
} from '../../support/scenario.ts'
import { startOwnPostgres, startOwnTemporal } from '../../support/own-servers.ts'
import type { World } from '../../support/world.ts'
import { startChild, type Child } from '../child.ts'
import { reconcileLater } from '../../support/reconcile.ts'
import { GATES, WRITES, type Gate, type Write } from './actions.ts'
import { programFile } from '../../support/package.ts'

export type Name = 'carl' | 'lena' | 'max' | 'wanda' | 'robot'

export interface Scene {
  scenario: Scenario
  people: Record<Name, Person>
  /** A ticket that is good for another write. */
  foreignTicket: unknown
  /** Whether a worker was killed or put to sleep at this time or later. */
  workersDiedSince(timeMs: number): boolean
  /** Kills the worker and starts another one; whoever asks meanwhile waits for the same. */
  restartWorker(): Promise<void>
  /** Lets the worker sleep for longer than a call may take, while another one takes over; then it wakes up and ends. */
  pauseWorker(): Promise<void>
  /** Which of the stores may go back. */
  goesBack: Store | null
  backUp(): Promise<void>
  /** To what was backed up last. */
  restore(): Promise<void>
  /** As the Schedule lets a worker do it, some minutes later. */
  reconcile(): Promise<void>
  /** The last words of a worker that nobody killed and that has ended all the same. */
  deadWorker(): string | null
  close(): Promise<void>
}

export type Store = 'ledger' | 'temporal'

export const automationOf = (write: Write, gate: Gate): string => `${write}-${gate}`

const EFFECTS: Record<Gate, JsonObject> = {
  one: ONE_LEAD,
  two: needs([{ roles: ['lead'], quorum: 2 }]),
  brief: needs([{ roles: ['lead'] }], { expires_after: '3s' }),
  free: { allow: true },
  deny: { deny: true },
}

const STEPS: Record<Write, JsonObject> = { sql: CHANGE, safe: NOTE_AGAIN, never: NOTE }

/** Longer than a call may take and the ledger’s margin, and than the time after which Temporal misses a worker. */
const ASLEEP_MS = 6_000
/** What a worker that was asleep still wants to send, it sends when it wakes up. */
const WAKING_MS = 2_000

export async function startScene({ goesBack = null }: { goesBack?: Store | null } = {}): Promise<Scene> {
  const keeper = goesBack && (await startKeeper(goesBack))
  let worker: Child | undefined
  const scenario = await startScenario({
    worker: false,
    ...(keeper ? { servers: keeper.servers } : {}),
    beforeApply: async (world: World) => {
      worker = await startWorker(world)
    },
  })
  const { world } = scenario
  const furnished = await furnish(scenario)
  let moving: Promise<void> | undefined
  // One at a time; whoever asks meanwhile waits for what is under way, and that is enough.
  const oneAtATime = (work: () => Promise<void>) => (): Promise<void> =>
    (moving ??= work().finally(() => (moving = undefined)))
  let lastDeathMs = -Infinity
  const startAnother = async (): Promise<void> => void (worker = await startWorker(world))
  await keeper?.backUp()
  return {
    scenario,
    ...furnished,
    workersDiedSince: (timeMs) => lastDeathMs >= timeMs,
    restartWorker: oneAtATime(async () => {
      lastDeathMs = Infinity
      await worker?.kill()
      lastDeathMs = Date.now()
      await startAnother()
    }),
    pauseWorker: oneAtATime(async () => {
      lastDeathMs = Infinity
      const asleep = worker
      asleep?.freeze()
      await Promise.all([startAnother(), sleep(ASLEEP_MS)])
      asleep?.thaw()
      await sleep(WAKING_MS)
      await asleep?.end()
      lastDeathMs = Date.now()
    }),
    goesBack,
    backUp: oneAtATime(async () => keeper?.backUp()),
    restore: oneAtATime(async () => keeper?.restore()),
    reconcile: async () => void (await reconcileLater({ ...world, client: world.temporal })),
    deadWorker: () => (worker?.hasEndedByItself() ? worker.output() : null),
    close: async () => {
      await moving
      await worker?.kill()
      await scenario.close()
      await keeper?.close()
    },
  }
}

async function furnish(scenario: Scenario): Promise<Pick<Scene, 'people' | 'foreignTicket'>> {
  const { world, clerk, lena, max } = scenario
  for (const write of WRITES) {
    for (const gate of new Set(GATES))
      await scenario.define(automationOf(write, gate), [STEPS[write]], EFFECTS[gate])
  }
  const people = {
    carl: clerk,
    lena,
    max,
    wanda: await world.as('wanda@acme.example', ['clerk']),
    robot: await world.as('robot@acme.example', ['lead'], 'agent'),
  }
  const decoy = await scenario.park(automationOf('sql', 'one'))
  const ticket = await lena.createTicket({ ...about(decoy.approval), verdict: 'approve' })
  return { people, foreignTicket: ticket.input }
}

interface Keeper {
  servers: NonNullable<ScenarioOptions['servers']>
  backUp(): Promise<void>
  restore(): Promise<void>
  close(): Promise<void>
}

/** A server of the scene's own: others of the test run would forget, too. */
async function startKeeper(store: Store): Promise<Keeper> {
  const own = store === 'ledger' ? await startOwnPostgres() : await startOwnTemporal()
  let backup: string | undefined
  return {
    servers: 'url' in own ? { databaseUrl: own.url } : { temporalAddress: own.address },
    backUp: async () => {
      const before = backup
      backup = await own.backUp()
      if (before !== undefined) rmSync(before, { recursive: true, force: true })
    },
    restore: async () => {
      if (backup === undefined) throw new Error('there is no backup')
      await own.restore(backup)
    },
    close: () => own.close(),
  }
}

function startWorker(world: World): Promise<Child> {
  return startChild({
    script: programFile('workers/main'),
    environment: { ...world.environment(), LOG_LEVEL: 'info' },
    ready: /worker started/,
  })
}
