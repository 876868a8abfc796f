import { describe, expect, it } from 'vitest'
import { groupMatches, matchEvent, type AutomationRevision } from '../../api/deliveries/match.ts'
import { runDetails, runSummary } from '../../api/deliveries/texts.ts'
import { AutomationSpecSchema } from '../../schemas/manifests.ts'
import { compilePlan } from '../../schemas/plan.ts'

const event = {
  organization: 'acme',
  connection: 'billing',
  type: 'paid',
  data: { id: 7, amount: 12.5, note: null },
}

function automation(name: string, triggers: object[], input?: object): AutomationRevision {
  const steps = [{ name: 'answer', return: 1 }]
  const full = triggers.map((trigger) => ({
    type: 'event',
    connection: 'billing',
    event: 'paid',
    ...trigger,
  }))
  return {
    name,
    revision: 3,
    spec: AutomationSpecSchema.parse({ triggers: full, steps, ...(input ? { input } : {}) }),
  }
}

describe('matching', () => {
  it('starts an automation once, by the first of its triggers that fits', async () => {
    const two = automation('two', [
      { filter: 'event.data.amount > 100', input: { by: 'first' } },
      { filter: 'event.data.amount > 10', input: { by: 'second' } },
      { input: { by: 'third' } },
    ])
    expect((await matchEvent(event, [two])).matches).toEqual([
      { automation: 'two', revision: 3, input: { by: 'second' }, identity: null },
    ])
  })

  it('goes by connection and type', async () => {
    const other = automation('other', [{ event: 'voided' }, { connection: 'crm' }])
    expect(await matchEvent(event, [other])).toEqual({ matches: [], failures: [] })
  })

  it('keeps the types of values, and refuses what the automation’s schema does not take', async () => {
    const schema = { type: 'object', properties: { id: { type: 'string' } } }
    const good = automation(
      'good',
      [{ input: { id: '${{ string(event.data.id) }}', amount: '${{ event.data.amount }}' } }],
      schema,
    )
    const bad = automation('bad', [{ input: { id: '${{ event.data.id }}' } }], schema)
    const { matches, failures } = await matchEvent(event, [good, bad])
    expect(matches.map(({ input }) => input)).toEqual([{ id: '7', amount: 12.5 }])
    expect(failures).toMatchObject([{ automation: 'bad', error: { code: 'INVALID_INPUT' } }])
  })

  it('does not let one failing expression keep others from starting', async () => {
    const broken = automation('broken', [{ filter: 'event.data.absent == 1' }])
    const wrong = automation('wrong', [{ filter: '"yes"' }])
    const fine = automation('fine', [{}])
    const { matches, failures } = await matchEvent(event, [broken, wrong, fine])
    expect(matches.map((match) => match.automation)).toEqual(['fine'])
    expect(failures.map(({ error }) => error.code)).toEqual(['UNRESOLVED_REFERENCE', 'EXPRESSION_FAILED'])
  })

  it('groups by identity: each automation by its own, or all by the sender’s key', async () => {
    const { matches } = await matchEvent(event, [
      automation('a', [{ dedupe: 'event.data.id' }]),
      automation('b', [{}]),
      automation('c', [{ dedupe: 'event.data.note' }]),
    ])
    const keys = groupMatches(matches, undefined).map(({ key, matches: all }) => [
      key,
      all.map((m) => m.automation),
    ])
    expect(keys).toEqual([
      ['a:7', ['a']],
      [null, ['b', 'c']],
    ])
    const [a, ...others] = matches
    expect(groupMatches(matches, 'evt-1')).toEqual([
      { key: 'key evt-1', isSenders: true, matches: others },
      { key: 'a:7', isSenders: false, matches: [a] },
    ])
    expect(groupMatches([], 'evt-1')).toEqual([{ key: 'key evt-1', isSenders: true, matches: [] }])
    expect(groupMatches([], undefined)).toEqual([{ key: null, isSenders: false, matches: [] }])
  })

  it.each(['', '  ', [], {}, null])('takes what is empty for no identity: %j', async (id) => {
    const without = { ...event, data: { id } }
    const { matches } = await matchEvent(without, [automation('a', [{ dedupe: 'event.data.id' }])])
    expect(groupMatches(matches, undefined)).toEqual([{ key: null, isSenders: false, matches }])
    expect(matches).toHaveLength(1)
  })

  it('bounds identities and keeps them apart', async () => {
    const long = { ...event, data: { id: 'x'.repeat(5_000) } }
    const other = { ...event, data: { id: `${'x'.repeat(4_999)}y` } }
    const one = [automation('a', [{ dedupe: 'event.data.id' }])]
    const keys = [long, other].map(
      async (e) => groupMatches((await matchEvent(e, one)).matches, undefined)[0]?.key,
    )
    const [left, right] = await Promise.all(keys)
    expect(left).toMatch(/^a:sha256:[0-9a-f]{64}$/)
    expect(left).not.toBe(right)
  })
})

describe('texts for the Temporal UI', () => {
  it('say who asked and the shape of the input, never its values', () => {
    const { spec } = automation('a', [{}], { type: 'object', properties: { name: {}, lines: {} } })
    const input = { name: 'Ada Lovelace', lines: [1, 2], 'secret key': 'x' }
    const run = { runId: 'run_1', workflowId: 'w', automation: 'a', revision: 3, input }
    const requester = { principal: 'connection/billing', kind: 'service', onBehalfOf: [] } as const
    const delivery = {
      id: 'dlv_1',
      source: 'event/billing/paid',
      requester: { ...requester, onBehalfOf: [] },
    }
    const text = `${runSummary(delivery, run)}\n${runDetails(delivery, run, spec)}`
    expect(text).toContain('event paid of connection/billing')
    expect(text).toContain('`name` (text), `lines` (list of 2)')
    expect(text).not.toMatch(/Ada|secret key/)
  })
})

describe('a plan', () => {
  it('is what the revision says, with durations in milliseconds', () => {
    const spec = AutomationSpecSchema.parse({
      steps: [
        {
          name: 'read',
          tool_call: { connection: 'billing', tool: 'get', arguments: { id: '${{ input.id }}' } },
        },
        {
          name: 'pay',
          if: 'true',
          timeout: '5m',
          tool_call: { connection: 'billing', tool: 'pay', class: 'write' },
        },
        {
          name: 'mark',
          writeback: { connection: 'crm', update: { table: 't', key: { id: 1 }, set: { paid: true } } },
        },
        { name: 'end', return: '${{ steps.pay.output }}' },
      ],
    })
    expect(compilePlan('p', 2, spec)).toEqual({
      automation: 'p',
      revision: 2,
      steps: [
        {
          type: 'call',
          name: 'read',
          timeoutMs: 3_600_000,
          call: {
            connection: 'billing',
            operation: 'get',
            arguments: { id: '${{ input.id }}' },
            raisedToWrite: false,
          },
        },
        {
          type: 'call',
          name: 'pay',
          if: 'true',
          timeoutMs: 300_000,
          call: { connection: 'billing', operation: 'pay', arguments: {}, raisedToWrite: true },
        },
        {
          type: 'writeback',
          name: 'mark',
          timeoutMs: 3_600_000,
          call: {
            connection: 'crm',
            operation: 'update',
            arguments: { table: 't', key: { id: 1 }, guard: {}, set: { paid: true } },
            raisedToWrite: true,
          },
        },
        { type: 'return', name: 'end', value: '${{ steps.pay.output }}' },
      ],
    })
  })
})
