/**
 * Ways to damage a manifest, each with a random choice of where. A way that is `wrong` makes a manifest that no save may
 * take; after the others it may be as good as before.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { CHANGE, LOOK, NOTE_AGAIN, SHOP, TOOLS } from './automations.ts'
import { below, pick, type Random } from './random-plans.ts'
import { misspellings } from './reference-mutations.ts'

/** Every kind of step, and triggers, with all their fields. Runs to its end with `{ account, balance }`. */
export function everything(name: string, subRun: string): JsonObject {
  const look = (step: string, about: string, more: JsonObject = {}): JsonObject => ({
    name: step,
    tool_call: { connection: TOOLS, tool: 'look', arguments: { about } },
    ...more,
  })
  // A copy: what is damaged is shared with nobody.
  return structuredClone({
    kind: 'Automation',
    name,
    version: '1.2.0',
    spec: {
      description: 'every kind of step',
      triggers: [
        {
          type: 'event',
          connection: TOOLS,
          event: 'account.seen',
          filter: 'event.data.level > 2',
          dedupe: 'event.data.id',
          input: { account: '${{ event.data.account }}', balance: 7 },
        },
      ],
      input: {
        type: 'object',
        additionalProperties: false,
        required: ['account', 'balance'],
        properties: { account: { type: 'string' }, balance: { type: 'number' } },
      },
      steps: [
        { ...LOOK, retry: { max_attempts: 2, backoff: '10ms' }, timeout: '5s' },
        { ...NOTE_AGAIN, if: 'steps.look.output.level == 3', on_error: 'continue' },
        { ...CHANGE, timeout: '5s' },
        { name: 'nap', sleep: { for: '10ms' } },
        { name: 'until', sleep: { until: '2026-01-01T00:00:00Z' } },
        {
          name: 'pick',
          choose: {
            branches: [
              { when: 'input.balance > 100', steps: [look('rich', 'rich')] },
              { when: 'steps.look.status == "completed"', steps: [look('poor', '${{ run.id }}')] },
            ],
            otherwise: [look('other', 'other')],
          },
        },
        {
          name: 'each',
          for_each: {
            items: '[input.account, "b"]',
            concurrency: 2,
            steps: [look('one', '${{ item }} ${{ index }}')],
          },
        },
        {
          name: 'fan',
          parallel: {
            concurrency: 2,
            branches: {
              left: [look('read', 'left'), look('more', '${{ steps.read.output.about }}')],
              right: [look('read', 'right')],
            },
          },
        },
        { name: 'sub', run_automation: { automation: subRun, input: { account: '${{ input.account }}' } } },
        {
          name: 'sum',
          code: { source: 'export default (ctx) => ({ twice: ctx.input.balance * 2 })', timeout: '2s' },
        },
        {
          name: 'question',
          if: 'input.balance > 100',
          ask: {
            title: 'What about ${{ input.account }}?',
            markdown: 'It has **${{ input.balance }}**.',
            form: { type: 'object', additionalProperties: false, properties: { why: { type: 'string' } } },
            of: { people: ['lena@acme.example'] },
          },
        },
        { name: 'stop', if: 'size(steps.each.output) != 2', fail: { code: 'ODD', message: 'not two' } },
        {
          name: 'result',
          return: {
            about: '${{ steps.fan.output.left.about }}',
            count: 1,
            noted: '${{ steps.note.error == null ? run.automation : steps.note.error.code }}',
            changed: '${{ steps.change.writeback == null ? "" : steps.change.writeback.receipt }}',
            why: '${{ steps.question.output == null ? "" : steps.question.output.?why.orValue("") }}',
          },
        },
      ],
    },
  })
}

interface Place {
  at: JsonObject | JsonValue[]
  key: string | number
}

export interface Mutation {
  name: string
  isWrong?: true
  /** False: this manifest has nothing of the kind. */
  apply: (document: JsonObject, random: Random) => boolean
}

const ODD: JsonValue[] = [null, 5, -1, 1.5, '', 'x y', [], {}, true, 'ä', 'constructor', '__proto__']
const BAD_EXPRESSIONS = [
  '1 +',
  'nobody.x',
  'input.',
  'steps.look.outptu',
  'unknown(1)',
  '"a" + 1',
  '${{ 1 }}',
]
const BAD_TEMPLATES = [
  '${{ input.account',
  'x ${{ }}',
  '${{ steps.nobody.output }}',
  '${{ 1 + }}',
  '${{ itme }}',
]
const BAD_DURATIONS = ['5', '-5s', 'soon', '5 s', '1.5s', '', '99999999999999d', '367d', '5S']
const EXPRESSION_FIELDS = ['if', 'when', 'items', 'filter', 'dedupe', 'until']
const DURATION_FIELDS = ['timeout', 'backoff', 'for']

export const MUTATIONS: Mutation[] = [
  { name: 'a field dropped', apply: (document, random) => drop(pick(random, placesIn(document))) },
  {
    name: 'a field renamed',
    apply: (document, random) => {
      const place = pick(random, placesIn(document))
      if (Array.isArray(place.at)) return false
      place.at[`${place.key}s`] = valueAt(place)
      return drop(place)
    },
  },
  {
    name: 'a value of another type',
    apply: (document, random) => set(anyPlace(document, random), pick(random, ODD)),
  },
  {
    name: 'a value from elsewhere',
    apply: (document, random) =>
      set(anyPlace(document, random), structuredClone(valueAt(anyPlace(document, random)))),
  },
  {
    name: 'an element twice',
    apply: (document, random) => {
      const { at, key } = pickIf(random, placesIn(document), ({ at: list }) => Array.isArray(list))
      if (!Array.isArray(at)) return false
      at.splice(Number(key), 0, structuredClone(at[Number(key)] ?? null))
      return true
    },
  },
  {
    name: 'a list turned round',
    apply: (document, random) => {
      const list = valueAt(pickIf(random, placesIn(document), (place) => Array.isArray(valueAt(place))))
      if (!Array.isArray(list)) return false
      list.reverse()
      return true
    },
  },
  {
    name: 'a character lost',
    apply: (document, random) => changeText(document, random, (text) => text.slice(1)),
  },
  {
    name: 'a character too much',
    apply: (document, random) => changeText(document, random, (text) => `${text}}`),
  },
  wrong('an unknown field', (document, random) => {
    const step = anyStep(document, random)
    step['retires'] = 3
    return true
  }),
  wrong('a step of two kinds', (document, random) => {
    const step = anyStep(document, random)
    if ('sleep' in step) return false
    step['sleep'] = { for: '1s' }
    return true
  }),
  wrong('a bad expression', (document, random) =>
    set(named(document, random, EXPRESSION_FIELDS), pick(random, BAD_EXPRESSIONS)),
  ),
  wrong('an expression of the wrong kind', (document, random) =>
    set(
      named(document, random, ['if', 'when', 'items', 'until', 'filter']),
      pick(random, ['{"a": 1}', '1 + 1']),
    ),
  ),
  wrong('a misspelt reference', (document, random) => {
    pick(random, misspellings(document)).apply()
    return true
  }),
  wrong('a bad template', (document, random) =>
    set(named(document, random, ['about', 'account', 'message', 'count']), pick(random, BAD_TEMPLATES)),
  ),
  wrong('a bad duration', (document, random) =>
    set(named(document, random, DURATION_FIELDS), pick(random, BAD_DURATIONS)),
  ),
  wrong('a name used twice', (document, random) => {
    const steps = stepsOf(document)
    const [first, second] = [below(random, 5), 5 + below(random, 5)]
    return set({ at: steps[second] as JsonObject, key: 'name' }, (steps[first] as JsonObject)['name'] ?? null)
  }),
  wrong('a reference to a later step', (document, random) => {
    const step = stepsOf(document)[below(random, 6)] as JsonObject
    step['if'] = `steps.${pick(random, ['fan', 'sub', 'result', 'rich', 'read'])}.output != null`
    return true
  }),
  wrong('a number out of bounds', (document, random) =>
    set(named(document, random, ['concurrency', 'max_attempts']), pick(random, [0, -1, 1.5, 21, 1e9])),
  ),
  wrong('an unknown connection', (document, random) =>
    set(named(document, random, ['connection']), pick(random, ['tolls', 'Tools', ''])),
  ),
  wrong('a connection of another type', (document, random) => {
    const place = pickIf(random, placesIn(stepsOf(document)), ({ key }) => key === 'connection')
    return set(place, valueAt(place) === SHOP ? TOOLS : SHOP)
  }),
  wrong('an unknown tool', (document, random) =>
    set(named(document, random, ['tool']), pick(random, ['lok', '?'])),
  ),
  wrong('arguments that do not fit', (document, random) =>
    set(
      named(document, random, ['arguments']),
      pick<JsonValue>(random, [{}, { about: 5 }, { about: 'x', of: 1 }, { abuot: 'x' }, { about: null }]),
    ),
  ),
  wrong('an unknown automation', (document, random) =>
    set(named(document, random, ['automation']), pick(random, ['nobody', 'ECHO'])),
  ),
  wrong('a run of itself', (document) => {
    const subRun = valueAt(named(document, () => 0, ['run_automation'])) as JsonObject
    subRun['automation'] = document['name'] ?? null
    subRun['input'] = { account: '${{ input.account }}', balance: 1 }
    return true
  }),
  wrong('an unknown column', (document, random) => {
    const update = valueAt(named(document, random, ['update'])) as JsonObject
    const part = pick(random, ['key', 'set', 'guard'])
    update[part] = { ...(update[part] as JsonObject | undefined), colour: 1 }
    return true
  }),
  wrong('an input that is no JSON Schema', (document, random) =>
    set(
      { at: document['spec'] as JsonObject, key: 'input' },
      pick<JsonValue>(random, [
        { type: 'nothing' },
        { required: 'account' },
        { properties: [] },
        { $ref: '#/no' },
      ]),
    ),
  ),
  wrong('a trigger that gives another input', (document, random) =>
    set(
      { at: ((document['spec'] as JsonObject)['triggers'] as JsonObject[])[0] as JsonObject, key: 'input' },
      pick<JsonValue>(random, [
        {},
        { account: 'x' },
        { account: 5, balance: 7 },
        { account: 'x', balance: 7, z: 1 },
      ]),
    ),
  ),
  wrong('a return inside a loop', (document, random) => {
    const loop = valueAt(named(document, random, ['for_each', 'left'])) as JsonObject | JsonValue[]
    const steps = Array.isArray(loop) ? loop : (loop['steps'] as JsonValue[])
    steps.push({ name: 'early', return: 1 })
    return true
  }),
  wrong('blocks too deep', (document) => {
    let inner: JsonValue = [{ name: 'leaf', sleep: { for: '1s' } }]
    for (let depth = 0; depth < 10; depth++)
      inner = [{ name: `deep${depth}`, choose: { branches: [{ when: 'true', steps: inner }] } }]
    stepsOf(document).unshift(...inner)
    return true
  }),
  wrong('too many steps', (document) => {
    const more = Array.from({ length: 495 }, (_, index) => ({ name: `n${index}`, sleep: { for: '1ms' } }))
    stepsOf(document).unshift(...more)
    return true
  }),
  wrong('a manifest too large', (document) => {
    stepsOf(document).push({ name: 'large', return: 'x'.repeat(256 * 1024) })
    return true
  }),
  wrong('a text that cannot be stored', (document, random) =>
    set(
      named(document, random, ['message', 'about', 'description', 'count']),
      pick(random, ['a\0b', '\ud800']),
    ),
  ),
]

function wrong(name: string, apply: Mutation['apply']): Mutation {
  return { name, isWrong: true, apply }
}

function placesIn(value: JsonValue): Place[] {
  if (value === null || typeof value !== 'object') return []
  const entries: [string | number, JsonValue][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value)
  return entries.flatMap(([key, inner]) => [{ at: value, key }, ...placesIn(inner)])
}

const anyPlace = (document: JsonObject, random: Random): Place =>
  pick(random, placesIn(document['spec'] ?? null))

function named(document: JsonObject, random: Random, keys: readonly string[]): Place {
  return pickIf(random, placesIn(document['spec'] ?? null), ({ at, key }) => {
    return (
      !Array.isArray(at) &&
      keys.includes(String(key)) &&
      !('additionalProperties' in at || ('type' in at && key === 'account'))
    )
  })
}

function pickIf(random: Random, places: readonly Place[], fits: (place: Place) => boolean): Place {
  return pick(random, places.filter(fits))
}

function stepsOf(document: JsonObject): JsonValue[] {
  return (document['spec'] as JsonObject)['steps'] as JsonValue[]
}

function anyStep(document: JsonObject, random: Random): JsonObject {
  const inSteps = pickIf(random, placesIn(stepsOf(document)), (place) => {
    const value = valueAt(place)
    return typeof value === 'object' && value !== null && 'name' in value
  })
  return valueAt(inSteps) as JsonObject
}

function valueAt({ at, key }: Place): JsonValue {
  return Reflect.get(at, key) as JsonValue
}

function set({ at, key }: Place, value: JsonValue): boolean {
  if (JSON.stringify(Reflect.get(at, key)) === JSON.stringify(value)) return false
  Reflect.set(at, key, value)
  return true
}

function drop({ at, key }: Place): boolean {
  if (Array.isArray(at)) at.splice(Number(key), 1)
  else delete at[key]
  return true
}

function changeText(document: JsonObject, random: Random, change: (text: string) => string): boolean {
  const place = pickIf(random, placesIn(document), (one) => typeof valueAt(one) === 'string')
  return set(place, change(String(valueAt(place))))
}
