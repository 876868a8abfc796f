/** How the CLI shows runs: as a tree, as changes, as a story; and the scripts for shells. Nothing is asked of anybody. */
import { describe, expect, test } from 'vitest'
import { run as example } from '../../api/openapi/examples/things.ts'
import { toTime } from '../../cli/filters.ts'
import { bashCompletion, fishCompletion, zshCompletion } from '../../cli/render/completion.ts'
import { describeReceipt } from '../../cli/render/receipt.ts'
import { approvalFields } from '../../cli/render/fields.ts'
import { storyOf } from '../../cli/render/story.ts'
import {
  approvalTexts,
  changesBetween,
  fitLines,
  indentOf,
  inTree,
  treeLines,
} from '../../cli/render/tree.ts'
import {
  answeredLine,
  changeText,
  cut,
  durationText,
  missingText,
  sourceText,
} from '../../cli/render/words.ts'
import type { RunView, StepView } from '../../schemas/operations/runs.ts'

const NOW_MS = Date.parse('2026-11-02T09:15:07.120Z')

function step(path: string, state: StepView['state'] = 'completed'): StepView {
  return {
    path,
    state,
    output: null,
    output_omitted: false,
    logs: [],
    error: null,
    writeback_ids: [],
    attempts: [],
  }
}

function textOf(run: RunView): string {
  return treeLines(run, NOW_MS)
    .map((line) => `${indentOf(line)}${line.text}`)
    .join('\n')
}

describe('the tree of a run', () => {
  test('says what each step does, and for whom it waits', () => {
    expect(textOf(example)).toBe(
      [
        'late-fee, revision 3: waiting for an approval, 60 s',
        '  run_2b7f3a9c4d1e4f60a8b90c1d2e3f4a5b',
        '  ✓ invoice  completed, 0.1 s',
        '  ● waive  waits for people',
        '    writes billing-db · update · billing-db/invoices/id=7: planned',
        '    waits for 1 of role finance, until 2026-11-05 09:14:07Z',
        '    countersign approve wb_2b7f3a9c4d1e4f60a8b90c1d2e3f4a5b.waive.1',
        '  0 receipts',
      ].join('\n'),
    )
  })

  test('has steps below the step they stand in, those of one item together', () => {
    const steps = [
      'each',
      'each[0].read',
      'each[1].read',
      'each[0].pick',
      'each[0].pick.otherwise.note',
      'end',
    ]
    expect(inTree(steps.map((path) => step(path))).map(({ depth, label }) => `${depth} ${label}`)).toEqual([
      '1 each',
      '2 [0].read',
      '2 [0].pick',
      '3 otherwise.note',
      '2 [1].read',
      '1 end',
    ])
  })

  test('leaves steps that are over out where there is no room, and says so', () => {
    const steps = [...Array.from({ length: 50 }, (_, index) => step(`s${index}`)), step('last', 'running')]
    const lines = fitLines(treeLines({ ...example, steps }, NOW_MS), { rows: 10, columns: 40 })
    expect(lines).toHaveLength(10)
    expect(lines[2]?.text).toBe('… 45 lines of finished steps')
    expect(lines.map(({ text }) => text)).toContain('last  running')
    expect(Math.max(...lines.map((line) => (indentOf(line) + line.text).length))).toBeLessThanOrEqual(40)
  })

  test('fits where more is open than there is room for', () => {
    const steps = Array.from({ length: 50 }, (_, index) => step(`s${index}`, 'running'))
    expect(fitLines(treeLines({ ...example, steps }, NOW_MS), { rows: 10, columns: 40 })).toHaveLength(10)
  })

  test('shows a question that waits, and how to answer it', () => {
    const question = { title: 'Which tier?', markdown: '', form: {} }
    const approvals = example.approvals.map((each) => ({
      ...each,
      approval_id: 'ask_1.tier',
      writeback_id: 'ask_1.tier',
      question,
    }))
    const asking: RunView = { ...example, steps: [], writebacks: [], approvals }
    expect(textOf(asking)).toContain('● Question: Which tier?')
    expect(textOf(asking)).toContain('countersign answer ask_1.tier --answer JSON')
    expect(storyOf(asking, undefined).parts.flat().join('\n')).toContain('countersign answer ask_1.tier')
  })

  test('shows a question as one, and its answer as no approval', () => {
    const question = { title: 'Which tier?', markdown: 'Look at *both*.', form: { type: 'object' } }
    const vote = {
      principal: 'lena@acme.example',
      verdict: 'approve' as const,
      at: '2026-11-02T09:15:00.000Z',
      comment: '',
      channel: 'cli',
    }
    const [first] = example.approvals
    if (!first) throw new Error('the example has no approval')
    const answered = {
      ...first,
      question,
      answer: { tier: 'gold' },
      state: 'approved' as const,
      votes: [vote],
      waits_for: null,
    }
    const fields = approvalFields(answered).map(([label, value]) => `${label}: ${value}`)
    expect(fields).toContain('Question: Which tier?')
    expect(fields).toContain('State: answered')
    expect(fields).toContain('Answer: {"tier":"gold"}')
    expect(fields).toContain('Vote: answered by lena@acme.example at 2026-11-02T09:15:00.000Z')
    expect(fields.join('\n')).not.toMatch(/Write|Guard|approve/)
    const run: RunView = { ...example, steps: [], writebacks: [], approvals: [answered] }
    const told = storyOf(run, undefined).parts.flat().join('\n')
    expect(told).toContain('lena@acme.example answered (cli)')
    expect(told).not.toMatch(/approved|said approve|policy money/)
    expect(approvalTexts(answered)).toEqual([
      'answered by lena@acme.example at 09:15:00Z (cli)',
      'question answered',
    ])
  })

  test('says who is missing, and in which stage', () => {
    const [first] = example.approvals
    if (!first) throw new Error('the example has no approval')
    const open = { stage: 2, stages: 2, missing: 1, roles: ['board'], people: ['ann@acme.example'] }
    expect(missingText({ waits_for: open })).toBe('1 of role board, ann@acme.example (stage 2 of 2)')
    expect(changeText(first)).toBe('late_fee_cents: 4200 → 0')
  })

  test('shows what would move the cursor', () => {
    const bad = { ...step('s', 'failed'), error: { code: 'TOOL_FAILED', message: 'no\u001B[2Jscreen' } }
    expect(textOf({ ...example, steps: [bad] })).not.toContain('\u001B')
    expect(changesBetween(undefined, { ...example, steps: [bad] }).join('')).not.toContain('\u001B')
    expect(
      storyOf({ ...example, steps: [bad] }, undefined)
        .parts.flat()
        .join(''),
    ).not.toContain('\u001B')
  })
})

describe('changes', () => {
  test('are told once', () => {
    expect(changesBetween(example, example)).toEqual([])
    const first = changesBetween(undefined, example)
    expect(first.at(-1)).toBe('run is waiting for an approval')
    expect(first).toContain('waive: waits for people')
  })

  test('name who voted, what was written, and the end', () => {
    const vote = {
      principal: 'lena@acme.example',
      verdict: 'approve' as const,
      at: '2026-11-02T09:15:00.000Z',
      comment: 'fine',
      channel: 'cli',
    }
    const after: RunView = {
      ...example,
      state: 'completed',
      result: 'waived',
      approvals: example.approvals.map((each) => ({ ...each, state: 'approved', votes: [vote] })),
      writebacks: example.writebacks.map((each) => ({ ...each, state: 'applied' })),
    }
    const [write, said, approved, end] = changesBetween(example, after)
    expect(write).toBe('waive: writes billing-db · update · billing-db/invoices/id=7: applied')
    expect(said).toMatch(/: approve by lena@acme\.example at 09:15:00Z \(cli\): fine$/)
    expect(approved).toMatch(/: approval approved$/)
    expect(end).toBe('run has ended: completed: waived')
  })
})

describe('the story', () => {
  test('names tools if the manifest is that of the run', () => {
    const read = { name: 'invoice', tool_call: { connection: 'billing', tool: 'get_invoice', arguments: {} } }
    const { title, parts } = storyOf(example, [{ ...read, timeout: '1h' }])
    const told = parts.flat().join('\n')
    expect(title).toBe('late-fee, revision 3: waiting for an approval')
    expect(told).toContain('event invoice.disputed of connection billing')
    expect(told).toContain('invoice: calls billing/get_invoice; done in 0.1 s')
    expect(told).toMatch(/late_fee_cents +4200 +0/)
    expect(told).toContain('Asked 1 of role finance (policy money, rule waivers)')
    expect(told).toContain('Waits for 1 of role finance, until 2026-11-05 09:14:07Z: countersign approve wb_')
  })

  test('says in one line what does not move, why, when it is tried again, and what to do', () => {
    const summary = 'step waive, through connection billing-db: attempt 3 ended with CONNECTION_FROZEN'
    const held = { path: 'waive', connection: 'billing-db', attempt: 4, failure: null, next_attempt_at: null }
    const run = { ...example, held_up_by: [{ ...held, summary, action: 'Thaw it.' }] }
    expect(storyOf(run, undefined).parts.flat()).toContain(`Held up: ${summary} → Thaw it.`)
  })

  test('says what is not known', () => {
    const writebacks = example.writebacks.map((each) => ({ ...each, state: 'unknown' as const }))
    const run = { ...example, writebacks, steps_from: 'history' as const }
    const told = storyOf(run, undefined).parts.flat().join('\n')
    expect(told).toContain('No worker answers')
    expect(told).toContain('countersign writebacks resolve')
  })
})

test('a receipt that is none of ours is not described', () => {
  expect(describeReceipt('bm8=')).toMatchObject({ kind: '?', words: '?' })
})

test('phrases', () => {
  expect([300, 12_400, 600_000, 3 * 3_600_000, 3 * 86_400_000].map(durationText)).toEqual([
    '0.3 s',
    '12 s',
    '10 min',
    '3 h',
    '3 d',
  ])
  expect(cut('abcdef', 4)).toBe('abc…')
  expect(sourceText('api/late-fee')).toBe('call of the API')
})

describe('a time', () => {
  test('is a day, a moment, or how long ago', () => {
    expect(toTime('2026-11-02')).toBe('2026-11-02T00:00:00.000Z')
    expect(toTime('2026-11-02T09:00:00+02:00')).toBe('2026-11-02T07:00:00.000Z')
    expect(Math.abs(Date.now() - 90 * 60_000 - Date.parse(toTime('90m')))).toBeLessThan(5_000)
  })

  test.each(['yesterday', '2026-13-40', '1', '2026'])('is not %s', (text) => {
    expect(() => toTime(text)).toThrow('It must be such as')
  })
})

describe('completion', () => {
  const option = { names: ['--state'], summary: "it's", takesValue: true, choices: ['a', 'b'] }
  const models = [
    { path: '', children: [{ name: 'runs', summary: 'look: here' }], options: [] },
    { path: 'runs', children: [], options: [option] },
  ]

  test('quotes what shells would read', () => {
    expect(bashCompletion(models)).toContain(`'runs --state') COMPREPLY=($(compgen -W 'a b'`)
    expect(zshCompletion(models)).toContain(`'--state:it'\\''s'`)
    expect(fishCompletion(models)).toContain(`-l state -x -a 'a b' -d 'it\\'s'`)
  })
})

test('an answer that nobody has looked at yet is told as such, in a sentence', () => {
  const message = 'Your decision is recorded. It counts as soon as a worker looks at it.'
  expect(answeredLine('ask_1.tier', { state: 'recorded', message })).toBe(`ask_1.tier: recorded. ${message}`)
  expect(answeredLine('ask_1.tier', { state: 'approved', message: 'recorded' })).toBe('ask_1.tier: answered.')
})
