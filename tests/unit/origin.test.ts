import { describe, expect, it } from 'vitest'
import { verifyAskOrigin, verifyOrigin, verifySubRunOrigin } from '../../activities/origin.ts'
import type { OriginRow } from '../../db/queries/deliveries.ts'
import { AutomationSpecSchema } from '../../schemas/manifests.ts'
import { askIdOf, writebackIdOf } from '../../schemas/names.ts'
import type { Call, Origin } from '../../schemas/run.ts'
import { call, origin, requester } from '../support/fixtures.ts'

const spec = AutomationSpecSchema.parse({
  steps: [
    { name: 'invoice', tool_call: { connection: 'crm', tool: 'get_invoice' } },
    {
      name: 'waive',
      writeback: {
        connection: 'billing',
        update: { table: 'invoices', key: { id: 7 }, set: { late_fee_cents: 0 } },
      },
    },
    { name: 'end', return: 1 },
    {
      name: 'note',
      tool_call: {
        connection: 'crm',
        tool: 'note',
        arguments: {
          to: '${{ input.to }}',
          text: 'Fee of ${{ input.fee }} waived',
          tags: ['fee', '${{ input.tag }}'],
        },
      },
      retry: { max_attempts: 2 },
    },
    { name: 'open', tool_call: { connection: 'crm', tool: 'note', arguments: '${{ input }}' } },
    { name: 'sure', ask: { title: 'Waive ${{ input.fee }}?', form: {}, of: { roles: ['lead'] } } },
    {
      name: 'each',
      for_each: {
        items: 'input',
        steps: [
          { name: 'look', tool_call: { connection: 'crm', tool: 'get_invoice' } },
          {
            name: 'sub',
            run_automation: { automation: 'notify', input: { to: '${{ item }}', kind: 'fee' } },
          },
        ],
      },
    },
  ],
})

function row(over: Partial<OriginRow> = {}): OriginRow {
  const run = {
    runId: 'run_1',
    workflowId: 'run/acme/late-fee/dlv_1',
    automation: 'late-fee',
    revision: 3,
    input: {},
  }
  return {
    requester: requester(),
    runs: [{ ...run, runId: 'run_0', automation: 'other' }, run],
    spec,
    pins: { 'crm/get_invoice': 'f'.repeat(64) },
    ...over,
  }
}

const RUN = 'run/acme/late-fee/dlv_1'

/** The id that follows from the rest. */
function at(path: string, over: Partial<Origin> = {}): Origin {
  const from = origin({ path, ...over })
  return { ...from, writebackId: over.writebackId ?? writebackIdOf({ ...from, round: 1 }) }
}

const verify = (one: Call, known: OriginRow | undefined, caller = RUN) => verifyOrigin(one, caller, known)

const toolCall = (over: Partial<Call> = {}): Call =>
  call({ connection: 'crm', operation: 'get_invoice', arguments: {}, origin: at('invoice'), ...over })

const note = (args: Call['arguments'], over: Partial<Origin> = {}): Call =>
  toolCall({ operation: 'note', arguments: args, origin: at('note', over) })

const NOTED = { to: 'ann', text: 'Fee of 7 waived', tags: ['fee', 3] }

describe('a call of a run that we started', () => {
  it('is known by its delivery, with who asked for it', () => {
    expect(verify(call(), row())).toEqual({
      requester: requester(),
      runWorkflowId: 'run/acme/late-fee/dlv_1',
      pinnedDefinitionSha256: null,
      round: 1,
    })
  })

  it('carries the definition its tool had when the revision was saved', () => {
    expect(verify(toolCall(), row()).pinnedDefinitionSha256).toBe('f'.repeat(64))
    expect(verify(toolCall(), row({ pins: null })).pinnedDefinitionSha256).toBeNull()
  })
})

describe('a step inside of another one', () => {
  it('is known by its path', () => {
    expect(() => verify(toolCall({ origin: at('each[3].look') }), row())).not.toThrow()
  })

  it.each(['look', 'each.look', 'each[3]', 'each[1000].look', 'each[3].look.look', 'invoice[3].look'])(
    'is not at %s',
    (path) => {
      expect(() => verify(toolCall({ origin: at(path) }), row())).toThrow('no such call at')
    },
  )

  it('may start a run of the automation that it names, and of no other', () => {
    const input = { to: 'ann', kind: 'fee' }
    const opened = (path: string, over: object = {}, known: OriginRow | undefined = row(), caller = RUN) =>
      verifySubRunOrigin({ origin: at(path), automation: 'notify', input, ...over }, caller, known)
    const { run, requester: by } = opened('each[3].sub')
    expect([run.runId, by]).toEqual(['run_1', requester()])
    for (const [path, automation] of [
      ['each[3].sub', 'other'],
      ['each[3].look', 'notify'],
      ['sub', 'notify'],
    ] as const)
      expect(() => opened(path, { automation })).toThrow('no such sub-run at')
    const none = { origin: at('each[3].sub'), automation: 'notify', input }
    expect(() => verifySubRunOrigin(none, RUN, undefined)).toThrow('no delivery of ours')
    expect(() => opened('each[3].sub', { input: { to: 'ann', kind: 'all' } })).toThrow(
      'something else in kind',
    )
    expect(() => opened('each[3].sub', {}, row(), 'run/acme/other/dlv_1')).toThrow('is not the workflow')
  })
})

describe('a call of nobody', () => {
  it.each<[string, Call, OriginRow | undefined, string]>([
    ['without a delivery', call(), undefined, 'no delivery of ours started this run'],
    [
      'of a run that the delivery did not start',
      call({ origin: origin({ runId: 'run_2' }) }),
      row(),
      'no delivery of ours',
    ],
    [
      'of another automation',
      call({ origin: origin({ automation: 'other' }) }),
      row(),
      'started with late-fee revision 3',
    ],
    [
      'of another revision',
      call({ origin: origin({ revision: 4 }) }),
      row(),
      'started with late-fee revision 3',
    ],
    ['of a revision that is gone', call(), row({ spec: null }), 'no such call at waive'],
    ['of a step that is not there', call({ origin: origin({ path: 'pay' }) }), row(), 'no such call at pay'],
    ['of no step', call({ origin: origin({ path: '' }) }), row(), 'no such call at '],
    ['of a step that calls nothing', call({ origin: origin({ path: 'end' }) }), row(), 'no such call at end'],
    ['on another connection', call({ connection: 'crm' }), row(), 'no such call at waive'],
    ['of another operation', call({ operation: 'delete' }), row(), 'no such call at waive'],
    ['of an operation that is a setting', call({ operation: 'connection' }), row(), 'no such call at waive'],
    [
      'of an operation that every object has',
      call({ operation: 'constructor' }),
      row(),
      'no such call at waive',
    ],
    ['of another tool', toolCall({ operation: 'pay_invoice' }), row(), 'no such call at invoice'],
    [
      'of a tool on another connection',
      toolCall({ connection: 'billing' }),
      row(),
      'no such call at invoice',
    ],
    ['of a tool at a writeback', toolCall({ origin: origin() }), row(), 'no such call at waive'],
  ])('%s', (_what, one, known, message) => {
    expect(() => verify(one, known)).toThrowError(
      expect.objectContaining({
        code: 'UNKNOWN_ORIGIN',
        message: expect.stringContaining(message) as string,
      }) as Error,
    )
  })
})

describe('what a step says', () => {
  it('may differ where it has an expression, and nowhere else', () => {
    expect(() => verify(note(NOTED), row())).not.toThrow()
    expect(() =>
      verify(note({ ...NOTED, to: { a: 1 }, text: 'Fee of 1 waived, 2 waived' }), row()),
    ).not.toThrow()
    for (const [args, place] of [
      [{ ...NOTED, cc: 'eve' }, 'in cc'],
      [{ to: 'ann', text: NOTED.text }, 'in tags'],
      [{ ...NOTED, tags: ['gift', 3] }, 'in tags[0]'],
      [{ ...NOTED, tags: ['fee', 3, 4] }, 'in tags'],
      [{ ...NOTED, text: 'A fee of 7 waived' }, 'in text'],
      [{ ...NOTED, text: 'Fee of 7 doubled' }, 'in text'],
      [{ ...NOTED, text: 'Fee of waived' }, 'in text'],
      [{ ...NOTED, text: 7 }, 'in text'],
    ] as [Call['arguments'], string][])
      expect(() => verify(note(args), row()), place).toThrow(`something else ${place}`)
    const whole = toolCall({ operation: 'note', arguments: { any: 'thing' }, origin: at('open') })
    expect(() => verify(whole, row())).not.toThrow()
  })

  it('is asked under the id and with the words of the step', () => {
    const from = at('sure', { writebackId: askIdOf({ runId: 'run_1', path: 'sure' }) })
    const asking = { organization: 'acme', origin: from, title: 'Waive 7?', markdown: '' }
    expect(verifyAskOrigin(asking, row()).ask.of.roles).toEqual(['lead'])
    expect(() => verifyAskOrigin({ ...asking, markdown: 'Compliance has agreed.' }, row())).toThrow(
      'in markdown',
    )
    expect(() => verifyAskOrigin({ ...asking, title: 'Pay 7?' }, row())).toThrow('in title')
    expect(() => verifyAskOrigin({ ...asking, origin: at('sure') }, row())).toThrow('its id is not')
  })
})

describe('who calls, and under which id', () => {
  it('is the run, or the writeback of this very write', () => {
    const { writebackId } = call().origin
    expect(() => verify(call(), row(), `writeback/acme/${writebackId}`)).not.toThrow()
    for (const caller of ['', 'run/acme/late-fee/dlv_2', `writeback/other/${writebackId}`, `${RUN}/x`])
      expect(() => verify(call(), row(), caller), caller).toThrow('is not the workflow that may ask')
  })

  it('follows from run, step and round, as many as the step may take', () => {
    const round = (n: number) => writebackIdOf({ runId: 'run_1', path: 'note', round: n })
    expect(verify(note(NOTED, { writebackId: round(6) }), row()).round).toBe(6)
    for (const writebackId of [
      round(0),
      round(7),
      round(1.5),
      'wb_1.note.01',
      'wb_2.note.1',
      'wb_1.open.1',
      '',
    ])
      expect(() => verify(note(NOTED, { writebackId }), row()), writebackId).toThrow('no round of this step')
  })
})
