/** A process of the dev stack that has ended is started again, unless it ends each time it is started. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Exit, RunningProcess } from '../../scripts/stack/processes.ts'
import { messageOf, type Log } from '../../scripts/stack/waiting.ts'

/** One that has run for longer did not end because of its start. */
const STEADY_AFTER_MS = 30_000
const MAX_STARTS_IN_A_ROW = 3
const PAUSE_MS = 500

export interface StartAgain {
  log: Log
  start: () => Promise<RunningProcess>
  onStarted: (running: RunningProcess) => void
  onGivenUp: (exit: Exit) => void
}

/** Looks after it until it is stopped or given up. */
export async function keepRunning(first: RunningProcess, again: StartAgain): Promise<void> {
  const { log } = again
  let running = first
  let starts = 0
  for (;;) {
    const sinceMs = Date.now()
    const { name, exited } = running
    const exit = await exited
    if (!exit.unexpected) return
    if (Date.now() - sinceMs > STEADY_AFTER_MS) starts = 0
    if (starts++ >= MAX_STARTS_IN_A_ROW) return again.onGivenUp(exit)
    log(`${name} has ended (${exit.signal ?? `code ${exit.code}`}): starting it again`)
    await sleep(PAUSE_MS)
    try {
      running = await again.start()
    } catch (error) {
      log(`${name} cannot be started again: ${messageOf(error)}`)
      return again.onGivenUp(exit)
    }
    again.onStarted(running)
    log(`${name} runs again`)
  }
}
