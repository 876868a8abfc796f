/** What is paused starts nothing. Which triggers count, and how they are named. Pure. */
import { CodedError } from '../schemas/errors.ts'
import type { EventTrigger } from '../schemas/manifests.ts'

/** Stands for the automation as a whole where a trigger is named. */
export const WHOLE_AUTOMATION = ''

export interface PauseRow {
  automation: string
  trigger: string
  paused_at: Date
  paused_by: string
  reason: string
}

/** Triggers for the same event of the same connection are paused together. */
export function triggerIdOf({ type, connection, event }: EventTrigger): string {
  return `${type}/${connection}/${event}`
}

/** Why the automation does not start by this trigger now, or at all where none is named. */
export function pausedBecause(
  pauses: readonly PauseRow[],
  automation: string,
  trigger?: string,
): CodedError | undefined {
  const find = (wanted: string) =>
    pauses.find((pause) => pause.automation === automation && pause.trigger === wanted)
  const whole = find(WHOLE_AUTOMATION)
  if (whole) return new CodedError('AUTOMATION_PAUSED', wordsOf(`Automation ${automation}`, whole))
  const one = trigger === undefined ? undefined : find(trigger)
  return one && new CodedError('AUTOMATION_PAUSED', wordsOf(`Trigger ${one.trigger} of ${automation}`, one))
}

function wordsOf(what: string, { paused_by, paused_at, reason }: PauseRow): string {
  return `${what} was paused by ${paused_by} at ${paused_at.toISOString()}${reason && `: ${reason}`}.`
}
