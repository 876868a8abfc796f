/**
 * Which automations an event starts, with which input, and what identifies it.
 *
 * Filters are the work of tenants on the thread that serves everybody: one automation at a time, organizations in turn,
 * and whoever waits for the thread comes in between.
 *
 * An event starts an automation at most once, by the first of its triggers that fits. One automation whose expressions
 * fail on this event, or that is paused, does not keep the others from starting.
 */
import { canonicalJson, sha256Hex } from '../../lib/canonical-json.ts'
import { evaluateExpression, type Scope } from '../../lib/cel.ts'
import { withAllowance } from '../../lib/cel-work.ts'
import { createSeats } from '../../lib/fair-seats.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_EVENT_WORK } from '../../lib/limits.ts'
import { resolveTemplates } from '../../lib/templates.ts'
import { CodedError, ERRORS } from '../../schemas/errors.ts'
import type { AutomationSpec, EventTrigger } from '../../schemas/manifests.ts'
import { checkInput } from './input.ts'
import { pausedBecause, triggerIdOf, type PauseRow } from '../../lib/pauses.ts'

export interface IncomingEvent {
  organization: string
  /** Name of the connection that sent it. */
  connection: string
  type: string
  data: JsonObject
}

export interface AutomationRevision {
  name: string
  revision: number
  spec: AutomationSpec
}

export interface Match {
  automation: string
  revision: number
  input: JsonValue
  /** Value of the trigger's `dedupe`, as text; null if the event carries none. */
  identity: string | null
}

export interface Failure {
  automation: string
  error: CodedError
}

/** One row of deliveries to be: what came with the same identity starts together. */
export interface DeliveryGroup {
  /** Null: no identity, so that every sending is a new one. */
  key: string | null
  /** It is what the sender knows the whole event by. */
  isSenders: boolean
  matches: Match[]
}

const MAX_IDENTITY_LENGTH = 200

/**
 * A request takes some twenty turns of the event loop until its run has started, and would wait for a filter in each of
 * them: after a filter, as many times its time is for everything else.
 */
const REST = 3
/** One at a time, whatever they match. */
const turns = createSeats({ total: 1, perOwner: 1 })

export async function matchEvent(
  event: IncomingEvent,
  automations: readonly AutomationRevision[],
  pauses: readonly PauseRow[] = [],
): Promise<{ matches: Match[]; failures: Failure[] }> {
  const matches: Match[] = []
  const failures: Failure[] = []
  const scope: Scope = { event: { type: event.type, data: event.data } }
  const work = { left: MAX_EVENT_WORK }
  for (const automation of automations) {
    try {
      const match = await inTurn(event.organization, () =>
        withAllowance(work, () => matchAutomation(event, automation, { scope, pauses })),
      )
      if (!match) continue
      await checkInput(automation.spec, match.input, event.organization)
      matches.push(match)
    } catch (error) {
      // The sender comes again with what can go better then.
      if (!(error instanceof CodedError) || ERRORS[error.code].retryable) throw error
      failures.push({ automation: automation.name, error })
    }
  }
  return { matches, failures }
}

/**
 * Each automation goes by its own `dedupe`, and the rest by the key of the sender, if there is one. That group is there
 * even if it starts nothing: an event whose key is known is the same event, whatever it says.
 */
export function groupMatches(matches: readonly Match[], senderKey: string | undefined): DeliveryGroup[] {
  const anonymous = matches.filter((match) => match.identity === null)
  const identified = matches.flatMap((match) =>
    match.identity === null
      ? []
      : [
          {
            key: `${match.automation}:${boundedIdentity(match.identity)}`,
            isSenders: false,
            matches: [match],
          },
        ],
  )
  // No name of an automation has a blank, so no sender can take the place of an identity.
  if (senderKey !== undefined)
    return [{ key: `key ${senderKey}`, isSenders: true, matches: anonymous }, ...identified]
  // Without any match a row is kept too: an event that was accepted leaves a trace.
  return anonymous.length > 0 || identified.length === 0
    ? [...identified, { key: null, isSenders: false, matches: anonymous }]
    : identified
}

async function inTurn<T>(organization: string, work: () => T): Promise<T> {
  const giveBack = await turns.take(organization)
  const startMs = performance.now()
  try {
    return work()
  } finally {
    const restMs = (performance.now() - startMs) * REST
    if (restMs < 1) setImmediate(giveBack)
    else setTimeout(giveBack, restMs)
  }
}

function matchAutomation(
  event: IncomingEvent,
  { name, revision, spec }: AutomationRevision,
  { scope, pauses }: { scope: Scope; pauses: readonly PauseRow[] },
): Match | undefined {
  const trigger = spec.triggers.find(
    (candidate) =>
      candidate.connection === event.connection && candidate.event === event.type && passes(candidate, scope),
  )
  if (!trigger) return undefined
  const paused = pausedBecause(pauses, name, triggerIdOf(trigger))
  if (paused) throw paused
  const input = resolveTemplates(trigger.input as JsonObject, scope)
  return { automation: name, revision, input, identity: identityOf(trigger, scope) }
}

function passes(trigger: EventTrigger, scope: Scope): boolean {
  if (trigger.filter === undefined) return true
  const value = evaluateExpression(trigger.filter, scope)
  if (typeof value === 'boolean') return value
  throw new CodedError('EXPRESSION_FAILED', '`filter` gave something else than true or false')
}

function identityOf(trigger: EventTrigger, scope: Scope): string | null {
  if (trigger.dedupe === undefined) return null
  const value = evaluateExpression(trigger.dedupe, scope)
  if (isNothing(value)) return null
  return typeof value === 'string' ? value : canonicalJson(value)
}

/** What is empty names no event: it would be the identity of all that come without one. */
function isNothing(value: JsonValue): boolean {
  if (value === null) return true
  if (typeof value === 'string') return value.trim() === ''
  return typeof value === 'object' && Object.keys(value).length === 0
}

/** Long ones, and those with characters that the database cannot keep, stand as their hash. */
function boundedIdentity(identity: string): string {
  const isPlain = identity.length <= MAX_IDENTITY_LENGTH && /^[ -~]*$/.test(identity)
  return isPlain ? identity : `sha256:${sha256Hex(identity)}`
}
