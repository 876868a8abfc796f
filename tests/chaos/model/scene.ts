/** The product that the model is compared with: one deployment for many histories at once, with workers to be killed. */
import type { JsonObject } from '../../../lib/json.ts'
import { CHANGE, needs, NOTE, NOTE_AGAIN, ONE_LEAD } from '../../support/automations.ts'
import { about, startScenario, type Person, type Scenario } from '../../support/scenario.ts'
import type { World } from '../../support/world.ts'
import { startChild, type Child } from '../child.ts'
import { reconcileLater } from '../reconcile.ts'
import { GATES, WRITES, type Gate, type Write } from './actions.ts'

export type Name = 'carl' | 'lena' | 'max' | 'wanda' | 'robot'

export interface Scene {
  scenario: Scenario
  people: Record<Name, Person>
  /** A ticket that is good for another write. */
  foreignTicket: unknown
  /** Whether a worker was killed at this time or later. */
  workersDiedSince(timeMs: number): boolean
  /** Kills the worker and starts another one; whoever asks meanwhile waits for the same. */
  restartWorker(): Promise<void>
  /** As the Schedule lets a worker do it, some minutes later. */
  reconcile(): Promise<void>
  /** The last words of a worker that nobody killed and that has ended all the same. */
  deadWorker(): string | null
  close(): Promise<void>
}

export const automationOf = (write: Write, gate: Gate): string => `${write}-${gate}`

const EFFECTS: Record<Gate, JsonObject> = {
  one: ONE_LEAD,
  two: needs([{ roles: ['lead'], quorum: 2 }]),
  brief: needs([{ roles: ['lead'] }], { expires_after: '3s' }),
  free: { allow: true },
  deny: { deny: true },
}

const STEPS: Record<Write, JsonObject> = { sql: CHANGE, safe: NOTE_AGAIN, never: NOTE }

export async function startScene(): Promise<Scene> {
  let worker: Child | undefined
  const scenario = await startScenario({
    worker: false,
    beforeApply: async (world: World) => {
      worker = await startWorker(world)
    },
  })
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
  let restarting: Promise<void> | undefined
  let lastDeathMs = -Infinity
  const replaceWorker = async (): Promise<void> => {
    lastDeathMs = Infinity
    await worker?.kill()
    lastDeathMs = Date.now()
    worker = await startWorker(world)
  }
  return {
    scenario,
    people,
    foreignTicket: ticket.input,
    workersDiedSince: (timeMs) => lastDeathMs >= timeMs,
    restartWorker: () => (restarting ??= replaceWorker().finally(() => (restarting = undefined))),
    reconcile: () => reconcileLater({ ...world, client: world.temporal }),
    deadWorker: () => (worker?.hasEndedByItself() ? worker.output() : null),
    close: async () => {
      await restarting
      await worker?.kill()
      await scenario.close()
    },
  }
}

function startWorker(world: World): Promise<Child> {
  return startChild({
    script: 'workers/main.ts',
    environment: { ...world.environment(), LOG_LEVEL: 'info' },
    ready: /worker started/,
  })
}
