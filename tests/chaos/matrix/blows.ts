/** What each blow does to a component, from before the write moves until it is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chance } from '../random.ts'
import type { Cell, Component } from './cells.ts'
import type { Stack } from './stack.ts'

export interface BlowInParts {
  /** While the write waits for approval. */
  prepare(): Promise<void>
  strike(): Promise<void>
  /** Resolves when somebody is there again who can go on with the write. */
  mend(): Promise<void>
  /** When the write is over for everybody else. It is called whatever has happened before. */
  finish(): Promise<void>
}

interface Scene {
  stack: Stack
  chance: Chance
  round: number
  note(line: string): void
}

/** Longer than a call may take, and the ledger's margin: both are over when the component wakes up. */
const LEAST_PAUSE_MS = 4_000
const MORE_PAUSE_MS = 3_000
/** What somebody who was asleep still wants to send, it sends when it wakes up. */
const WAKING_MS = 2_000

const nothing = async (): Promise<void> => undefined

export function blowOf({ blow, component }: Cell, scene: Scene): BlowInParts {
  switch (blow) {
    case 'kill':
      return kill(component, scene)
    case 'pause':
      return component === 'worker' ? pauseOfWorker(scene) : pause(component, scene)
    case 'failover':
      return failover(scene)
    case 'restore':
      return restore(component === 'temporal' ? 'temporal' : 'postgres', scene)
    default:
      return blow satisfies never
  }
}

function kill(component: Component, { stack, chance }: Scene): BlowInParts {
  const downMs = chance.below(1_500)
  return {
    prepare: nothing,
    strike: () => stack.kill(component),
    mend: async () => {
      await sleep(downMs)
      await stack.restart(component)
    },
    finish: nothing,
  }
}

function pause(component: Component, { stack, chance, note }: Scene): BlowInParts {
  const pausedMs = LEAST_PAUSE_MS + chance.below(MORE_PAUSE_MS)
  note(`is to sleep for ${pausedMs} ms`)
  let isAsleep = false
  const wake = async (): Promise<void> => {
    if (isAsleep) stack.thaw(component)
    isAsleep = false
  }
  return {
    prepare: nothing,
    strike: async () => {
      isAsleep = true
      stack.freeze(component)
    },
    mend: async () => {
      await sleep(pausedMs)
      await wake()
    },
    finish: wake,
  }
}

/**
 * Most of the time it wakes up when another worker has brought the write to its end, and a person has had a look. In
 * every other round its connections stay: Temporal goes on giving it tasks, which it finds when it wakes up, and it takes
 * a minute until the other worker has them.
 */
function pauseOfWorker({ stack, chance, round, note }: Scene): BlowInParts {
  const isCutOff = round % 2 === 0
  const wakesAfterMs = chance.happens(0.25) ? LEAST_PAUSE_MS + chance.below(MORE_PAUSE_MS) : null
  if (isCutOff) note('loses its connections to Temporal')
  note(`is to sleep ${wakesAfterMs === null ? 'until the write is over' : `for ${wakesAfterMs} ms`}`)
  let asleep: { thaw(): void; end(): Promise<void> } | undefined
  return {
    prepare: nothing,
    strike: async () => {
      stack.freeze('worker')
      if (isCutOff) stack.cutFromTemporal()
    },
    mend: async () => {
      asleep = await stack.startSecondWorker()
      if (wakesAfterMs === null) return
      await sleep(wakesAfterMs)
      asleep.thaw()
    },
    finish: async () => {
      if (!asleep) return stack.thaw('worker')
      asleep.thaw()
      note('the first worker is awake')
      await sleep(WAKING_MS)
      await asleep.end()
    },
  }
}

function failover({ stack }: Scene): BlowInParts {
  return {
    prepare: () => stack.postgres.leaveStandbyBehind(),
    strike: () => stack.kill('postgres'),
    mend: async () => {
      await stack.postgres.promote()
      stack.follow('postgres')
    },
    finish: nothing,
  }
}

function restore(component: 'postgres' | 'temporal', { stack }: Scene): BlowInParts {
  let backup = ''
  return {
    prepare: async () => void (backup = await stack[component].backUp()),
    strike: () => stack[component].restore(backup),
    mend: () => stack.restart(component),
    finish: nothing,
  }
}
