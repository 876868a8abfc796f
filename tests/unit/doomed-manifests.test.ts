/** Manifests whose every run would fail: refused when they are saved, with the place. */
import { describe, expect, it } from 'vitest'
import { documentPlaces, knownOf } from '../../manifests/check.ts'
import { parseDocuments } from '../../manifests/document.ts'

const end = { name: 'end', return: 1 }
const run = (automation: string, more: object = {}) => ({
  name: 'sub',
  run_automation: { automation },
  ...more,
})
const saving = (name: string, spec: object) => ({ kind: 'Automation', name, spec })

/** `place: message`, of several manifests without what comes before `spec`. */
async function wrong(...manifests: object[]): Promise<string[]> {
  const { documents, places } = parseDocuments(manifests)
  const known = knownOf(
    documents.map(({ manifest }) => manifest),
    false,
  )
  return [...places, ...(await documentPlaces(documents, known))].map(
    ({ path, message }) => `${path.replace(/^manifests\[\d\]\.(spec\.)?/, '')}: ${message}`,
  )
}
const wrongStep = (step: object) => wrong(saving('a', { steps: [step, end] }))

describe('an expression', () => {
  it.each([
    [{ name: 's', if: '1 + 1', sleep: { for: '1s' } }, 'steps[0].if: gives a number, not true or false'],
    [
      { name: 's', for_each: { items: '{"a": input}', steps: [end] } },
      'steps[0].for_each.items: gives an object, not a list',
    ],
    [{ name: 's', sleep: { until: '1 > 2' } }, 'steps[0].sleep.until: gives bool, not a time'],
    [
      { name: 's', sleep: { until: '2026-13-45T00:00:00Z' } },
      'steps[0].sleep.until: is not a time in ISO 8601 with a zone',
    ],
  ])('gives the kind of value that is needed: %j', async (step, place) => {
    expect(await wrongStep(step)).toContain(place)
  })

  it.each([
    ['2027-03-01', 'is not a time in ISO 8601 with a zone', 'Such as 2027-03-01T00:00:00Z.'],
    ['"2027-03-01"', 'is not a time in ISO 8601 with a zone', 'Such as 2027-03-01T00:00:00Z.'],
    ['2027-03-01T10:00', 'is not a time in ISO 8601 with a zone', 'Such as 2026-10-01T12:00:00Z.'],
    ['2027/03/01', 'gives a number, not a time', 'Such as 2026-10-01T12:00:00Z.'],
  ])('until %j is told as a day, and as what to write', async (until, message, hint) => {
    const { documents } = parseDocuments([saving('a', { steps: [{ name: 's', sleep: { until } }, end] })])
    const known = knownOf(
      documents.map(({ manifest }) => manifest),
      false,
    )
    expect(await documentPlaces(documents, known)).toMatchObject([{ message, hint }])
  })

  it('without variables does at save what it would do in each run', async () => {
    const [place = ''] = await wrongStep({
      name: 's',
      sleep: { for: '1s' },
      if: '[1][input == 1 ? 2 : 2] == 1 / 0',
    })
    expect(place).toBe('')
    expect((await wrongStep({ name: 's', if: '1 / 0 == 1', sleep: { for: '1s' } }))[0]).toMatch(
      /^steps\[0\]\.if: .*zero/,
    )
  })

  it('names branches that there are', async () => {
    const fan = { name: 'fan', parallel: { branches: { left: [{ name: 'nap', sleep: { for: '1s' } }] } } }
    expect(
      await wrong(saving('a', { steps: [fan, { name: 'end', return: '${{ steps.fan.output.lfet }}' }] })),
    ).toEqual(['steps[1].return: `steps.fan.output` has no `lfet`'])
  })
})

describe('an automation', () => {
  it('does not run itself without end', async () => {
    expect(await wrong(saving('a', { steps: [run('a')] }))).toEqual([
      'steps[0].run_automation.automation: every run would run `a` again: a → a',
    ])
    expect(await wrong(saving('a', { steps: [run('b')] }), saving('b', { steps: [run('a')] }))).toHaveLength(
      2,
    )
  })

  it('may run itself where it can end', async () => {
    expect(await wrong(saving('a', { steps: [run('a', { if: 'input.depth > 0' })] }))).toEqual([])
    expect(await wrong(saving('a', { steps: [run('a', { on_error: 'continue' })] }))).toEqual([])
    expect(await wrong(saving('a', { steps: [{ ...end, if: 'input.done' }, run('a')] }))).toEqual([])
  })

  it('takes the input that its triggers give', async () => {
    const input = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } }
    const trigger = (given: object) => ({ type: 'event', connection: 'c', event: 'e', input: given })
    const connection = {
      kind: 'Connection',
      name: 'c',
      spec: { type: 'mcp', transport: 'http', url: 'http://c.example/mcp' },
    }
    const withTrigger = (given: object) =>
      wrong(connection, saving('a', { input, triggers: [trigger(given)], steps: [end] }))
    expect(await withTrigger({ id: '${{ event.data.id }}' })).toEqual([])
    expect(await withTrigger({})).toEqual(["triggers[0].input: must have required property 'id'"])
    expect(await withTrigger({ id: 5 })).toEqual(['triggers[0].input.id: must be string'])
  })

  it('is triggered by events of a server, not of a database', async () => {
    const tables = { t: { primary_key: ['id'], writable: ['x'] } }
    const database = {
      kind: 'Connection',
      name: 'db',
      spec: { type: 'postgres', url: '${secret:DB}', tables },
    }
    const triggers = [{ type: 'event', connection: 'db', event: 'e' }]
    expect(await wrong(database, saving('a', { triggers, steps: [end] }))).toEqual([
      'triggers[0].connection: connection `db` is of type postgres; here one of type mcp is needed',
    ])
  })

  it('waits no longer than a year, and gives a call some time', async () => {
    expect(await wrongStep({ name: 's', sleep: { for: '99999999999999d' } })).toEqual([
      'steps[0].sleep.for: is over 366 days',
    ])
    const call = { name: 's', timeout: '0s', tool_call: { connection: 'c', tool: 't' } }
    expect(await wrongStep(call)).toEqual(['steps[0].timeout: must be at least 1ms'])
  })

  it('holds texts that can be kept', async () => {
    expect(await wrongStep({ name: 's', fail: { code: 'BAD', message: 'a\0b' } })).toEqual([
      'steps[0].fail.message: holds a character that cannot be kept (U+0000 or half of a pair)',
    ])
  })
})

describe('the address of a database', () => {
  const at = (url: string) => {
    const tables = { orders: { primary_key: ['id'], writable: ['note'] } }
    return wrong({ kind: 'Connection', name: 'db', spec: { type: 'postgres', url, tables } })
  }

  it('holds no password, but the name of a secret', async () => {
    const refused = [
      'url: may hold no password: set it as a secret of the worker, and write `postgres://USER:${secret:NAME}@…`',
    ]
    expect(await at('postgres://app:hunter2@db.example.org/shop')).toEqual(refused)
    expect(await at('postgres://app:${secret:PW}2@db.example.org/shop')).toEqual(refused)
    expect(await at('postgres://app:${secret:PW}@db.example.org/shop')).toEqual([])
    expect(await at('postgres://app@db.example.org/shop')).toEqual([])
    expect(await at('${secret:DB}')).toEqual([])
  })
})

describe('a stage of a policy', () => {
  const policy = (stage: object) =>
    wrong({ kind: 'Policy', name: 'p', spec: { rules: [{ name: 'r', require: { stages: [stage] } }] } })

  it('has as many people as it needs', async () => {
    expect(await policy({ people: ['one', 'one'], quorum: 2 })).toEqual([
      'rules[0].require.stages[0].quorum: is 2, and only 1 person counts',
    ])
    expect(await policy({ people: ['one', 'two'], quorum: 2 })).toEqual([])
    expect(await policy({ people: ['one'], roles: ['boss'], quorum: 2 })).toEqual([])
  })
})
