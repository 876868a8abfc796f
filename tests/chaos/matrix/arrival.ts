/**
 * Somebody who starts a run while things die. What was accepted must happen without another word from whoever sent it;
 * only what got no answer is sent once more, with its key, as a sender does.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client as ApiClient } from '../../../sdk/client/index.ts'
import { ARRIVAL } from './lane.ts'
import { patiently } from '../patience.ts'

export interface Arrival {
  key: string
  /** Null if no answer came. */
  acceptedRunId: string | null
}

/** Asks for the API anew each time: it may have another address by then. */
export interface Sender {
  api(): Pick<ApiClient, 'startRun' | 'getRun'>
  note(line: string): void
  patienceMs: number
}

export async function arrive(sender: Sender, afterMs: number): Promise<Arrival> {
  const key = randomUUID()
  await sleep(afterMs)
  try {
    const run = await send(sender, key)
    sender.note(`arrival accepted: ${run.state}`)
    return { key, acceptedRunId: run.run_id }
  } catch (error) {
    sender.note(`arrival not accepted: ${String(error)}`)
    return { key, acceptedRunId: null }
  }
}

export async function arrivalViolations(sender: Sender, { key, acceptedRunId }: Arrival): Promise<string[]> {
  const sendAgain = () => patiently('the arrival is accepted', sender.patienceMs, () => send(sender, key))
  const runId = acceptedRunId ?? (await sendAgain()).run_id
  const state = await endOf(sender, runId)
  sender.note(`arrival ended: ${state}`)
  // Not before it has run: sent again, a start that was lost would begin.
  const again = await sendAgain()
  return [
    ...(state === 'completed' ? [] : [`what was accepted has ended as ${state}`]),
    ...(again.run_id === runId ? [] : [`the arrival was accepted as ${runId} and then as ${again.run_id}`]),
  ]
}

function endOf({ api, patienceMs }: Sender, runId: string): Promise<string> {
  return patiently('what was accepted has run', patienceMs, async () => {
    const { state } = await api().getRun({ run_id: runId })
    return ['pending', 'running'].includes(state) ? undefined : state
  })
}

function send({ api }: Sender, key: string) {
  return api().startRun({ name: ARRIVAL, input: { account: key } }, { idempotencyKey: key })
}
