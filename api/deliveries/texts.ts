/**
 * What the Temporal UI says about a run from its start: who asked for what, and the shape of its input. Never values
 * of the input: without encryption these texts are what everybody sees who may look at the namespace.
 */
import type { DeliveredRun, DeliveryRow } from '../../db/queries/deliveries.ts'
import { startOf } from '../../lib/cut-text.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'

type Arrival = Pick<DeliveryRow, 'id' | 'source' | 'requester'>

/** Temporal takes 400 bytes, encoded; encryption adds about 160. */
const MAX_SUMMARY_LENGTH = 200
const MAX_SHOWN_FIELDS = 20

export function runSummary(delivery: Arrival, run: DeliveredRun): string {
  const text = `**${run.automation}** (revision ${run.revision}), ${occasion(delivery)}`
  return startOf(text, MAX_SUMMARY_LENGTH)
}

export function runDetails(delivery: Arrival, run: DeliveredRun, spec: AutomationSpec): string {
  const { requester } = delivery
  const behalf = requester.onBehalfOf.length > 0 ? `, on behalf of ${requester.onBehalfOf.join(', ')}` : ''
  const lines = [
    ...(spec.description === undefined ? [] : [spec.description, '']),
    `- Run \`${run.runId}\` of delivery \`${delivery.id}\``,
    `- Asked for by \`${requester.principal}\` (${requester.kind})${behalf}`,
    `- Came through \`${delivery.source}\``,
    `- Input: ${shapeOf(run.input, spec)}`,
    `- Steps: ${spec.steps.map((step) => `\`${step.name}\``).join(' → ')}`,
  ]
  return startOf(lines.join('\n'), 10_000)
}

function occasion({ source, requester }: Arrival): string {
  const [kind, , ...type] = source.split('/')
  return kind === 'event'
    ? `event ${type.join('/')} of ${requester.principal}`
    : `asked for by ${requester.principal}`
}

/** Names come from the automation's own schema only: the keys of free-form input can be data. */
function shapeOf(input: JsonValue, spec: AutomationSpec): string {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) return kindOf(input)
  const declared = Object.keys((spec.input?.['properties'] as object | undefined) ?? {})
  const known = declared.flatMap((name) => {
    const value = Object.hasOwn(input, name) ? input[name] : undefined
    return value === undefined ? [] : [`\`${name}\` (${kindOf(value)})`]
  })
  const count = Object.keys(input).length
  if (known.length === 0) return `an object with ${count} ${count === 1 ? 'field' : 'fields'}`
  return known.slice(0, MAX_SHOWN_FIELDS).join(', ')
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `list of ${value.length}`
  return typeof value === 'string' ? 'text' : typeof value
}
