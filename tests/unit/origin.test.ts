import { describe, expect, it } from 'vitest'
import { verifyOrigin, verifySubRunOrigin } from '../../activities/origin.ts'
import type { OriginRow } from '../../db/queries/deliveries.ts'
import { AutomationSpecSchema } from '../../schemas/manifests.ts'
import type { Call } from '../../schemas/run.ts'
import { call, origin, requester } from '../support/fixtures.ts'

const spec = AutomationSpecSchema.parse({
  steps: [
    { name: 'invoice', tool_call: { connection: 'crm', tool: 'get_invoice' } },
    {
      name: 'waive',
      writeback: { connection: 'billing', update: { table: 'invoices', key: { id: 7 }, set: { fee: 0 } } },
    },
    { name: 'end', return: 1 },
    {
      name: 'each',
      for_each: {
        items: 'input',
        steps: [
          { name: 'look', tool_call: { connection: 'crm', tool: 'get_invoice' } },
          { name: 'sub', run_automation: { automation: 'notify' } },
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

const toolCall = (over: Partial<Call> = {}): Call =>
  call({ connection: 'crm', operation: 'get_invoice', origin: origin({ path: 'invoice' }), ...over })

describe('a call of a run that we started', () => {
  it('is known by its delivery, with who asked for it', () => {
    expect(verifyOrigin(call(), row())).toEqual({
      requester: requester(),
      runWorkflowId: 'run/acme/late-fee/dlv_1',
      pinnedDefinitionSha256: null,
    })
  })

  it('carries the definition its tool had when the revision was saved', () => {
    expect(verifyOrigin(toolCall(), row()).pinnedDefinitionSha256).toBe('f'.repeat(64))
    expect(verifyOrigin(toolCall(), row({ pins: null })).pinnedDefinitionSha256).toBeNull()
  })
})

describe('a step inside of another one', () => {
  const at = (path: string) => origin({ path })

  it('is known by its path', () => {
    expect(() => verifyOrigin(toolCall({ origin: at('each[3].look') }), row())).not.toThrow()
  })

  it.each(['look', 'each.look', 'each[3]', 'each[1000].look', 'each[3].look.look', 'invoice[3].look'])(
    'is not at %s',
    (path) => {
      expect(() => verifyOrigin(toolCall({ origin: at(path) }), row())).toThrow('no such call at')
    },
  )

  it('may start a run of the automation that it names, and of no other', () => {
    const { run, requester: by } = verifySubRunOrigin(at('each[3].sub'), 'notify', row())
    expect([run.runId, by]).toEqual(['run_1', requester()])
    for (const [path, automation] of [
      ['each[3].sub', 'other'],
      ['each[3].look', 'notify'],
      ['sub', 'notify'],
    ] as const)
      expect(() => verifySubRunOrigin(at(path), automation, row())).toThrow('no such sub-run at')
    expect(() => verifySubRunOrigin(at('each[3].sub'), 'notify', undefined)).toThrow('no delivery of ours')
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
    expect(() => verifyOrigin(one, known)).toThrowError(
      expect.objectContaining({
        code: 'UNKNOWN_ORIGIN',
        message: expect.stringContaining(message) as string,
      }) as Error,
    )
  })
})
