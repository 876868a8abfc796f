/**
 * The examples, damaged by chance. Each is refused with the places that are wrong, or is a manifest like any other: then
 * none of its runs fails for something that could have been seen when it was saved.
 */
import { beforeAll, expect, test } from 'vitest'
import { automationPlaces } from '../../manifests/automations.ts'
import { ofKind, parseDocuments } from '../../manifests/document.ts'
import { loadDisputeManifests } from '../../examples/disputes/manifests.ts'
import { loadManifests } from '../../examples/late-fee/manifests.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { AutomationSpec, ConnectionSpec, Manifest } from '../../schemas/manifests.ts'
import { compilePlan } from '../../schemas/plan.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import { createRunState, settle, type StepError } from '../../workflows/interpreter/state.ts'
import { seededRandom } from '../support/fixtures.ts'
import { completed, failed } from '../support/plans.ts'
import { misspellings } from '../support/reference-mutations.ts'

const MUTATIONS = 600
const STRANGERS: JsonValue[] = [
  null,
  5,
  '',
  'x y',
  '${{',
  '${{ steps.nobody.output }}',
  'steps.each.output',
  'item.x',
  '1 +',
  [],
  {},
  true,
]

let manifests: Manifest[]
const connections = new Map<string, ConnectionSpec>()
const automations = new Map<string, AutomationSpec>()

beforeAll(async () => {
  manifests = [...(await loadManifests()), ...(await loadDisputeManifests())]
  for (const manifest of manifests) {
    if (manifest.kind === 'Connection') connections.set(manifest.name, manifest.spec)
    if (manifest.kind === 'Automation') automations.set(manifest.name, manifest.spec)
  }
})

type Random = () => number
type Holder = { at: JsonObject | JsonValue[]; key: string | number }

function holdersIn(value: JsonValue): Holder[] {
  if (value === null || typeof value !== 'object') return []
  const at = value
  const entries = Array.isArray(at) ? [...at.entries()] : Object.entries(at)
  return entries.flatMap(([key, inner]) => [{ at, key }, ...holdersIn(inner)])
}

function mutate(document: JsonObject, random: Random): void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const { steps = null } = document['spec'] as JsonObject
  const { at, key } = pick(holdersIn(steps))
  const other = pick(holdersIn(steps))
  const valueOf = (holder: Holder): JsonValue => Reflect.get(holder.at, holder.key) as JsonValue
  switch (Math.floor(random() * 6)) {
    case 0:
      if (Array.isArray(at)) at.splice(Number(key), 1)
      else delete at[key]
      break
    case 1:
      Reflect.set(at, key, pick(STRANGERS))
      break
    case 2:
      Reflect.set(at, key, structuredClone(valueOf(other)))
      break
    case 3:
      if (Array.isArray(at)) at.unshift(structuredClone(valueOf({ at, key })))
      else {
        at[`${key}_`] = at[key] ?? null
        delete at[key]
      }
      break
    case 4: {
      const misspelt = misspellings(document)
      if (misspelt.length > 0) pick(misspelt).apply()
      break
    }
    default:
      if (Array.isArray(at)) at.reverse()
      else Reflect.set(at, key, String(valueOf({ at, key })).slice(1))
  }
}

/** Has everything that the schema names. */
function inputOf({ input }: AutomationSpec): JsonObject {
  const { properties = {} } = (input ?? {}) as { properties?: JsonObject }
  return Object.fromEntries(Object.keys(properties).map((name) => [name, 'x']))
}

/** How a run of it ends, whatever the outside says; null for an end without a failure. */
function endOf(spec: AutomationSpec, random: Random): StepError | null {
  const plan = compilePlan('x', 1, spec)
  const output = { disputes: [{}, {}], late_fee_cents: 1, status: 'open', content: 'x' }
  const underWay: string[] = []
  const run = { id: 'run_1', organization: 'acme', automation: 'x', revision: 1 }
  let state = createRunState(inputOf(spec), run)
  for (;;) {
    const advanced = advance(plan, state)
    state = advanced.state
    const { next } = advanced
    if (next.kind === 'completed') return null
    if (next.kind === 'failed') return next.error
    if (next.kind === 'perform') underWay.push(...next.start.map(({ path }) => path))
    else state = settle(state, underWay.shift() ?? '', random() < 0.1 ? failed() : completed(output))
  }
}

/** What the text shows: names that are not there, but for those in what a tool, code or a person gives. */
const isOfTheText = ({ code, message }: StepError): boolean =>
  code === 'INVALID_EXPRESSION' ||
  /There is no variable|`(input|run|steps|steps\.\w+|steps\.\w+\.(error|writeback))` has no/.test(message)

test(`of ${MUTATIONS} damaged automations each is refused with a place, or runs`, () => {
  const counts = { refused: 0, accepted: 0 }
  for (let seed = 1; seed <= MUTATIONS; seed++) {
    const random = seededRandom(seed)
    const valid = manifests.filter((manifest) => manifest.kind === 'Automation')
    const document = structuredClone(valid[seed % valid.length]) as unknown as JsonObject
    const times = 1 + Math.floor(random() * 2)
    for (let time = 0; time < times; time++) mutate(document, random)
    const { documents, places } = parseDocuments([document])
    const [parsed] = ofKind(documents, 'Automation')
    const wrong = [
      ...places,
      ...(parsed ? automationPlaces(parsed, { connections, automations, mayBeMore: false }) : []),
    ]
    for (const { path, message } of wrong) {
      expect(path, `seed ${seed}`).toMatch(/^manifests\[0\]/)
      expect(message.length, `seed ${seed}`).toBeGreaterThan(5)
    }
    counts[wrong.length > 0 ? 'refused' : 'accepted']++
    if (!parsed || wrong.length > 0) continue
    const error = endOf(parsed.manifest.spec, random)
    if (error && isOfTheText(error)) expect.fail(`seed ${seed}: ${error.message}`)
  }
  expect(counts.refused).toBeGreaterThan(200)
  expect(counts.accepted).toBeGreaterThan(50)
})
