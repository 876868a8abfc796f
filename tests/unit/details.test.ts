import { describe, expect, it } from 'vitest'
import type { Plan } from '../../schemas/run.ts'
import { createApprovalState, decide, refuse } from '../../workflows/decide.ts'
import { approvalDetails, callSummary, resolutionDetails, runDetails } from '../../workflows/details.ts'
import { createRunState, type StepState } from '../../workflows/interpreter/state.ts'
import {
  call as callOf,
  DIGEST,
  NOON_MS,
  outcome,
  pendingWrite,
  preview,
  requirement,
  vote,
} from '../support/fixtures.ts'

const APPROVAL_ID = 'wb_7e1f.waive.1'
const EXPIRES_AT_MS = NOON_MS + 3_600_000
const waiting = (over = {}) => createApprovalState(pendingWrite(over), EXPIRES_AT_MS)

/** Cells of the first table row that starts with this text. A backslash takes the character after it along. */
function cells(markdown: string, start: string): string[] {
  const row = markdown.split('\n').find((line) => line.startsWith(`| ${start}`)) ?? ''
  return [...row.matchAll(/\|((?:\\.|[^|\\])+)/g)].map(([, cell = '']) => cell.trim())
}

describe('a write of unknown outcome', () => {
  const unknown = outcome('wb_7e1f.waive.1', { status: 'unknown' })

  it('shows where to look, and no value that a connection may redact', () => {
    const set = { card: '4111', late_fee_cents: 0 }
    const write = callOf({ arguments: { table: 'invoices', key: { id: 7 }, guard: { card: '4000' }, set } })
    const shown = resolutionDetails(write, unknown, [])
    expect(shown).toContain('{"table":"invoices","key":{"id":7},"set":["card","late_fee_cents"]}')
    expect(shown).not.toMatch(/4111|4000/)
  })

  it('shows what a tool was called with', () => {
    const write = callOf({ operation: 'note', arguments: { about: 'A-7' } })
    expect(resolutionDetails(write, unknown, [])).toContain('called with `{"about":"A-7"}`')
  })
})

describe('a run', () => {
  const call = { connection: 'billing', operation: 'get_invoice', arguments: {}, raisedToWrite: false }
  const plan: Plan = {
    automation: 'late-fee',
    revision: 1,
    steps: [
      { type: 'call', name: 'invoice', timeoutMs: 1, call },
      { type: 'writeback', name: 'waive', timeoutMs: 1, call: { ...call, operation: 'update' } },
      { type: 'return', name: 'end', value: null },
    ],
  }

  it('shows every step, how far it is, and what it waits for', () => {
    const error = { code: 'TOOL_FAILED', message: 'a | b' }
    const block: Record<string, StepState> = {
      waive: { status: 'failed', output: null, error },
      invoice: { status: 'completed', output: 1 },
    }
    const state = { ...createRunState({}, {}), block }
    const text = runDetails(plan, state, [
      { workflowId: 'writeback/acme/wb_1', whom: '1 of role finance' },
      { workflowId: 'writeback/acme/wb_2' },
      { workflowId: 'approval/acme/ask_1', whom: 'role support' },
      { workflowId: 'run/acme/other/dlv_1' },
    ])
    expect(cells(text, 'invoice')).toEqual(['invoice', 'billing.get\\_invoice', 'completed', ''])
    expect(cells(text, 'waive')).toEqual(['waive', 'billing.update', 'failed', 'TOOL\\_FAILED: a \\| b'])
    expect(cells(text, 'end')).toEqual(['end', 'return', 'not reached', ''])
    expect(text.split('\n').filter((line) => line.startsWith('Waits'))).toEqual([
      'Waits for `1 of role finance`, in `writeback/acme/wb_1`; who, and what: `countersign writebacks show wb_1`.',
      'Waits for `writeback/acme/wb_2`; who, and what: `countersign writebacks show wb_2`.',
      'Waits for `role support`, in `approval/acme/ask_1`; who, and what: `countersign approvals show ask_1`.',
      'Waits for `run/acme/other/dlv_1`.',
    ])
  })
})

describe('an approval that waits', () => {
  it('says for whom, how many, until when, and what would change', () => {
    const text = approvalDetails(waiting(), 'verified', APPROVAL_ID)
    expect(text).toContain(
      '**Waiting for 1 of 1 approvals from `finance`.** Expires 2026-10-01T13:00:00.000Z.',
    )
    expect(text).toContain('`update` on `billing/invoices/id=7`')
    expect(cells(text, '`late')).toEqual(['`late_fee_cents`', '`4200`', '`0`'])
    expect(text).toContain(
      `Asked for by \`connection/billing\` under rule \`money/waivers\`. Digest \`${DIGEST}\`.`,
    )
  })

  it('counts down, stage by stage', () => {
    const stages = [
      { roles: ['finance'], people: [], quorum: 2 },
      { roles: ['lead'], people: ['cfo@example.org'], quorum: 1 },
    ]
    const state = waiting({ requirement: requirement({ stages }) })
    expect(approvalDetails(state, 'verified', APPROVAL_ID)).toContain(
      'Waiting for 2 of 2 approvals from `finance`',
    )
    const one = decide(state, vote(), NOON_MS).state
    const text = approvalDetails(one, 'verified', APPROVAL_ID)
    expect(text).toContain('Waiting for 1 of 2 approvals from `finance`')
    expect(text).toContain('- **approve** by `alice@example.org` at 2026-10-01T12:00:00.000Z (cli)')
    const two = decide(one, vote({ principal: 'bob' }), NOON_MS).state
    expect(approvalDetails(two, 'verified', APPROVAL_ID)).toContain(
      'Waiting for 1 of 1 approvals from `lead` or `cfo@example.org`',
    )
  })

  it('says how to decide: with a ticket, or where that is allowed, with one’s word', () => {
    const verified = approvalDetails(waiting(), 'verified', APPROVAL_ID)
    expect(verified).toContain(`countersign approve ${APPROVAL_ID} --ticket`)
    expect(verified).not.toContain('at their word')
    const asserted = approvalDetails(waiting(), 'asserted', APPROVAL_ID)
    const json = /```json\n([^`]*)```/.exec(asserted)?.[1] ?? ''
    expect(JSON.parse(json)).toEqual({ by: 'you@example.org', digest: DIGEST })
    const strict = waiting({ requirement: requirement({ identity: 'verified' }) })
    expect(approvalDetails(strict, 'asserted', APPROVAL_ID)).not.toContain('at their word')
  })

  it('shows the last five refused messages', () => {
    let state = waiting()
    for (let i = 0; i < 7; i++) state = refuse(state, 'UNVERIFIED', `no ${i}`).state
    const text = approvalDetails(state, 'verified', APPROVAL_ID)
    expect(text.match(/- `UNVERIFIED` no \d/g)).toEqual(
      [2, 3, 4, 5, 6].map((i) => `- \`UNVERIFIED\` no ${i}`),
    )
  })

  it('that is over says so, and no longer how to decide', () => {
    const { state } = decide(waiting(), vote({ verdict: 'reject', comment: 'too much' }), NOON_MS)
    const text = approvalDetails(state, 'asserted', APPROVAL_ID)
    expect(text.startsWith('**rejected**')).toBe(true)
    expect(text).toContain('(cli) too much')
    expect(text).not.toContain('--ticket')
    expect(text).not.toContain('Waiting')
  })
})

describe('text of other people', () => {
  const nasty = 'a | b\n\n# Approved `x` <b>b</b> [link](https://evil) ![i](j) *s* _u_ ~~d~~ \\'

  it.each(['', nasty, 'a \\| b', 'a \\\\| b', 'a \\'])(
    'stays inside its cell, and is no markup: %j',
    (value) => {
      const changes = [{ field: 'x', before: value, after: { value } }]
      const text = approvalDetails(waiting({ preview: preview({ changes }) }), 'verified', APPROVAL_ID)
      const row = cells(text, '`x`')
      expect(row).toHaveLength(3)
      for (const cell of row) expect(cell).toMatch(/^`[^`\n]+`$/)
    },
  )

  it('in the note of a step is no markup either', () => {
    const call = { connection: 'billing', operation: 'get', arguments: {}, raisedToWrite: false }
    const plan: Plan = {
      automation: 'a',
      revision: 1,
      steps: [{ type: 'call', name: 'x', timeoutMs: 1, call }],
    }
    const error = { code: 'TOOL_FAILED', message: nasty }
    const row = cells(
      runDetails(
        plan,
        { ...createRunState({}, {}), block: { x: { status: 'failed', output: null, error } } },
        [],
      ),
      'x',
    )
    expect(row).toHaveLength(4)
    for (const cell of row) expect(cell.replace(/\\./g, '')).not.toMatch(/[|`<>[\]*_~\\]/)
  })

  it('does not fill the page', () => {
    const changes = [{ field: 'note', before: null, after: 'x'.repeat(10_000) }]
    const text = approvalDetails(waiting({ preview: preview({ changes }) }), 'verified', APPROVAL_ID)
    expect(text.length).toBeLessThan(1_500)
    expect(cells(text, '`note')).toEqual(['`note`', '`null`', expect.stringMatching(/^`x{120}…`$/) as string])
    const voted = decide(waiting(), vote({ comment: 'y'.repeat(4_000) }), NOON_MS).state
    expect(approvalDetails(voted, 'verified', APPROVAL_ID)).toMatch(/ y{120}…$/m)
  })

  it('of millions of invisible characters costs no more than the part of it that is shown', () => {
    /** The least of three: the machine does something else, too. */
    const msOf = (work: () => unknown): number => {
      const times = [1, 2, 3].map(() => {
        const startMs = performance.now()
        work()
        return performance.now() - startMs
      })
      return Math.min(...times)
    }
    const large = preview({ changes: [{ field: 'x', before: null, after: '\u0001'.repeat(2_000_000) }] })
    const parsedMs = msOf(() => JSON.parse(JSON.stringify(large)) as unknown)
    let text = ''
    const shownMs = msOf(() => (text = approvalDetails(waiting({ preview: large }), 'verified', APPROVAL_ID)))
    expect(text).toContain(`\`${String.raw`\u0001`.repeat(20)}…\``)
    expect(text).toContain('Look twice')
    expect(shownMs).toBeLessThan(3 * parsedMs)
  })

  it('cannot end the code span that names the target', () => {
    const target = 'billing/notes/id=x`\n\n**Approved by the board**'
    const text = approvalDetails(waiting({ preview: preview({ target }) }), 'verified', APPROVAL_ID)
    expect(text).toContain("`billing/notes/id=x' **Approved by the board**`")
    expect(text.split('\n').filter((line) => line.startsWith('**'))).toHaveLength(1)
  })

  it('in a comment or a refusal is no markup either', () => {
    const voted = decide(waiting(), vote({ comment: nasty }), NOON_MS).state
    const refused = refuse(waiting(), 'UNVERIFIED', nasty).state
    for (const state of [voted, refused]) {
      const lines = approvalDetails(state, 'verified', APPROVAL_ID).split('\n')
      expect(lines.some((line) => line.startsWith('#'))).toBe(false)
      expect(lines.find((line) => line.startsWith('- '))).toContain('\\[link\\]')
    }
  })
})

it('sums a call up in two words', () => {
  expect(callSummary({ connection: 'billing', operation: 'update' })).toBe('billing.update')
})

describe('what somebody else has written', () => {
  it('shows what cannot be seen, and says so', () => {
    const changes = [{ field: 'amount', before: '100', after: '7\u202e00\u200b' }]
    const page = approvalDetails(waiting({ preview: preview({ changes }) }), 'verified', APPROVAL_ID)
    expect(page).toContain(String.raw`7\u202e00\u200b`)
    expect(page).not.toMatch(/[\u202e\u200b]/)
    expect(page).toContain('**Look twice:**')
    expect(approvalDetails(waiting(), 'verified', APPROVAL_ID)).not.toContain('Look twice')
  })

  it('makes no link and no emphasis in a comment or a title', () => {
    const title = '**ok** https://evil.example'
    const question = { title, markdown: 'Is it?', form: {} }
    const page = approvalDetails(waiting({ question }), 'verified', APPROVAL_ID)
    expect(page).toContain(String.raw`\*\*ok\*\* https\://evil.example`)
  })
})
