/** Tests of automations: those of the examples pass, and one that is wrong fails with what differs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestFileSchema } from '../../schemas/automation-tests.ts'
import { ManifestSchema } from '../../schemas/manifests.ts'
import { runTests, type TestResult } from '../../testing/run-tests.ts'
import { runCli } from '../support/cli.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url))

const call = (name: string, over: object = {}) => ({
  name,
  tool_call: { connection: 'crm', tool: name, arguments: {} },
  ...over,
})
const question = {
  name: 'q',
  ask: {
    title: 'Is ${{ input.n }} right?',
    markdown: 'Think **about ${{ input.n }}**.',
    form: { type: 'boolean' },
    of: { people: ['ann@example.org'] },
    self_answer: false,
  },
}
const CRM = { type: 'mcp', transport: 'http', url: 'http://crm.example', tools: { get: { class: 'read' } } }
const TWO_STAGES = { stages: [{ roles: ['lead'] }, { roles: ['finance'], quorum: 2 }], expires_after: '24h' }

interface Given {
  steps: object[]
  rules?: object[]
  others?: Record<string, object[]>
}

/** Of one test of an automation with these steps. */
async function result(given: Given, test: object): Promise<TestResult> {
  const rules = given.rules ?? [{ name: 'all', allow: true }]
  const manifests = [
    { kind: 'Connection', name: 'crm', spec: CRM },
    { kind: 'Policy', name: 'p', spec: { rules } },
    ...Object.entries({ x: given.steps, ...given.others }).map(([name, steps]) => ({
      kind: 'Automation',
      name,
      spec: { steps },
    })),
  ].map((manifest) => ManifestSchema.parse(manifest))
  const file = TestFileSchema.parse({ automation: 'x', tests: [{ name: 'it', ...test }] })
  const [only] = await runTests(file, manifests, () => performance.now())
  if (!only) throw new Error('there is no result')
  return only
}

async function told(given: Given, test: object): Promise<string[]> {
  const { differences, problems } = await result(given, test)
  const text = (value: unknown) => JSON.stringify(value) ?? 'nothing'
  return [
    ...problems,
    ...differences.map(({ at, expected, actual }) => `${at}: ${text(expected)}, not ${text(actual)}`),
  ]
}

describe('the command line', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('passes the tests of all examples, and sleeps in none of them', async () => {
    const { code, stdout } = await runCli(['test', EXAMPLES, '--json'], { cwd: folder })
    const report = JSON.parse(stdout) as { passed: number; files: { tests: TestResult[] }[] }
    expect(report).toMatchObject({ failed: 0, broken: 0 })
    expect(code).toBe(0)
    expect(report.passed).toBeGreaterThan(12)
    for (const { tests } of report.files)
      for (const { durationMs, name } of tests) expect(durationMs, name).toBeLessThan(30_000)
  })

  it('says what differs, and what is wrong with a file, and ends with 1', async () => {
    const manifest = { kind: 'Automation', name: 'x', spec: { steps: [{ name: 'end', return: { a: 1 } }] } }
    writeFileSync(join(folder, 'x.yaml'), JSON.stringify(manifest))
    const tests = [{ name: 'one', expect: { output: { a: 2 } } }]
    writeFileSync(join(folder, 'x.test.yaml'), JSON.stringify({ automation: 'x', tests }))
    writeFileSync(
      join(folder, 'y.test.yaml'),
      'automation: x\ntests:\n  - nmae: one\n    expect: { output: 1e400 }\n',
    )
    const { code, stdout } = await runCli(['test'], { cwd: folder })
    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ one .*\n {6}output\.a\n {8}expected 2\n {8} {5}got 1\n/)
    expect(stdout).toContain('y.test.yaml:3:5 tests[0].name: is missing')
    expect(stdout).toContain('y.test.yaml:4:23: is a number that cannot be kept exactly.')
    expect(stdout).toContain('0 passed, 1 failed, 1 of 2 files not played')
  })
})

describe('an expectation', () => {
  it('is compared with the innermost place that differs', async () => {
    const steps = [{ name: 'end', return: { a: [1, { b: 2 }], c: 3 } }]
    expect(await told({ steps }, { expect: { output: { a: [1, { b: 5 }], d: 4 } } })).toEqual([
      'output.a[1].b: 5, not 2',
      'output.d: 4, not nothing',
      'output.c: nothing, not 3',
    ])
    expect(await told({ steps }, { expect: { error: { code: 'X' } } })).toEqual([
      'state: "failed", not "completed"',
    ])
  })

  it('of questions names all of them, of each its words, a part of its text, and whom it asks', async () => {
    const given = { steps: [question] }
    const asks = [{ path: 'q', answer: true }]
    const good = { title: 'Is 3 right?', markdown: '**about 3**', of: { people: ['ann@example.org'] } }
    expect(await told(given, { input: { n: 3 }, asks, expect: { asks: [{ path: 'q', ...good }] } })).toEqual(
      [],
    )
    const bad = { title: 'Is it?', markdown: 'about 4', of: { roles: ['lead'] } }
    expect(await told(given, { input: { n: 3 }, asks, expect: { asks: [{ path: 'q', ...bad }] } })).toEqual([
      'asks[0].title: "Is it?", not "Is 3 right?"',
      'asks[0].of.roles: ["lead"], not []',
      'asks[0].of.people: [], not ["ann@example.org"]',
      'asks[0].markdown: "about 4", not "Think **about 3**."',
    ])
    expect(await told(given, { input: { n: 3 }, asks, expect: { asks: [] } })).toEqual([
      'asks[0]: nothing, not {"path":"q"}',
    ])
  })

  it('of logs names the lines of a step, in its last try', async () => {
    const source = 'export default (ctx) => { console.log("n is", ctx.input.n); console.warn("done") }'
    const steps = [{ name: 'sum', code: { source } }]
    const test = (logs: object) => told({ steps }, { input: { n: 3 }, expect: { logs } })
    expect(await test({ sum: ['n is 3', 'done'] })).toEqual([])
    expect(await test({ sum: ['n is 4', 'done'], other: [] })).toEqual([
      'logs.sum[0]: "n is 4", not "n is 3"',
      'logs.other: [], not nothing',
    ])
  })

  it('of writes names all of them', async () => {
    const steps = [call('set'), call('send')]
    const answers = [{ connection: 'crm', output: 1 }]
    expect(
      await told({ steps }, { answers, expect: { writebacks: [{ path: 'set', status: 'failed' }] } }),
    ).toEqual([
      'writebacks[0].status: "failed", not "applied"',
      'writebacks[1]: nothing, not {"path":"send","connection":"crm","operation":"send","status":"applied"}',
    ])
  })
})

describe('a test', () => {
  it('that says too little, or too much, fails', async () => {
    const steps = [call('get')]
    expect(await told({ steps }, { expect: {} })).toEqual(['get: no answer for crm.get with {}'])
    const answers = [
      { connection: 'crm', output: 1 },
      { path: 'nothing', output: 1 },
    ]
    const decisions = [{ path: 'get', verdict: 'approve' }]
    expect(await told({ steps }, { answers, decisions, expect: {} })).toEqual([
      'answers[1] was never asked for',
      'decisions[0] was never asked for',
    ])
  })

  it('goes by the policy: refused, allowed, or put before people', async () => {
    const steps = [call('set', { on_error: 'continue' })]
    const answers = [{ connection: 'crm', output: 1 }]
    const deny = [{ name: 'no', deny: true }]
    expect(
      await told(
        { steps, rules: deny },
        { expect: { writebacks: [{ path: 'set', status: 'refused', rule: 'p/no' }] } },
      ),
    ).toEqual([])
    const rules = [{ name: 'two', require: TWO_STAGES }]
    const asks = [{ roles: ['lead'] }, { roles: ['finance'], quorum: 2 }]
    const approve = { path: 'set', verdict: 'approve' }
    const enough = {
      answers,
      decisions: [approve],
      expect: { writebacks: [{ path: 'set', status: 'applied', asks }] },
    }
    expect(await told({ steps, rules }, enough)).toEqual([])
    const one = { decisions: [{ ...approve, by: 'a@x', roles: ['lead'] }], expect: { state: 'waiting' } }
    expect(await told({ steps, rules }, one)).toEqual([])
    const late = {
      decisions: [{ ...approve, after: '2d' }],
      expect: { writebacks: [{ path: 'set', status: 'expired' }] },
    }
    expect(await told({ steps, rules }, late)).toEqual([])
  })

  it('that fails says what helps to understand why', async () => {
    const rules = [{ name: 'two', require: TWO_STAGES }]
    const decisions = [{ path: 'set', verdict: 'approve', by: 'sue@x', roles: ['support'] }]
    const { ok, notes } = await result({ steps: [call('set')], rules }, { decisions, expect: {} })
    expect(ok).toBe(false)
    expect(notes).toEqual([
      'set: crm.set counts as a write; neither its connection nor an answer says otherwise',
      'set: a decision does not count: NOT_ELIGIBLE: needed: lead, finance; sue@x is support',
    ])
  })

  it('is an answer that counts only of a person who is asked and may answer', async () => {
    const said = (by: string, after = '1m') => ({ path: 'q', answer: true, by, after })
    const play = (steps: object[], asks: object[], expected: object) =>
      told(
        { steps },
        {
          input: { n: 3 },
          requester: { principal: 'ann@example.org' },
          asks,
          expect: expected,
        },
      )
    const others = {
      ...question,
      ask: { ...question.ask, of: { people: ['ann@example.org', 'bob@example.org'] } },
    }
    expect(
      await play([others], [said('eve@example.org'), said('ann@example.org'), said('bob@example.org')], {
        output: true,
        asks: [{ path: 'q', refused: ['NOT_ELIGIBLE', 'SELF_APPROVAL'] }],
      }),
    ).toEqual([])
    const nobody = { state: 'waiting', asks: [{ path: 'q', refused: ['SELF_APPROVAL'] }] }
    expect(await play([question], [said('ann@example.org')], nobody)).toEqual([])
    const willing = { ...question, ask: { ...question.ask, self_answer: true } }
    expect(await play([willing], [said('ann@example.org')], { asks: [{ path: 'q', refused: [] }] })).toEqual(
      [],
    )
    expect(await play([willing], [said('ann@example.org', '8d')], { error: { code: 'EXPIRED' } })).toEqual([])
  })

  it('asks one approver where no rule says anything, as a real run does', async () => {
    const steps = [call('set')]
    const rules = [{ name: 'other', match: { connection: 'mail' }, allow: true }]
    const expected = { state: 'waiting', writebacks: [{ path: 'set', asks: [{ roles: ['approver'] }] }] }
    expect(await told({ steps, rules }, { expect: expected })).toEqual([])
  })

  it('plays retries, branches that cut each other, and time', async () => {
    const retry = { retry: { max_attempts: 3, backoff: '10s' } }
    const steps = [call('get', retry)]
    const sequence = [{ error: { code: 'TOOL_FAILED' } }, { error: { code: 'TOOL_FAILED' } }, { output: 7 }]
    expect(await told({ steps }, { answers: [{ path: 'get', sequence }], expect: { output: 7 } })).toEqual([])

    const rules = [{ name: 'ask', require: { stages: [{ roles: ['lead'] }] } }]
    const branches = {
      slow: [call('set')],
      quick: [
        { name: 'nap', sleep: { for: '30m' } },
        { name: 'no', fail: { code: 'NO_GOOD', message: 'no' } },
      ],
    }
    const fan = { steps: [{ name: 'fan', parallel: { branches } }], rules }
    const decisions = [{ path: 'fan.slow.set', verdict: 'approve', after: '1h' }]
    const writebacks = [{ path: 'fan.slow.set', status: 'withdrawn' }]
    const answers = [{ connection: 'crm', output: 1 }]
    expect(
      await told(fan, { decisions, answers, expect: { error: { code: 'NO_GOOD' }, writebacks } }),
    ).toEqual([])
    const early = [{ ...decisions[0], after: '10m' }]
    const applied = [{ ...writebacks[0], status: 'applied' }]
    expect(
      await told(fan, {
        decisions: early,
        answers,
        expect: { error: { code: 'NO_GOOD' }, writebacks: applied },
      }),
    ).toEqual([])
  })

  it('plays sub-runs, eight deep and no deeper', async () => {
    const steps = [{ name: 'again', run_automation: { automation: 'x' } }]
    expect(await told({ steps }, { expect: { error: { code: 'LIMIT_EXCEEDED' } } })).toEqual([])
    const answers = [{ automation: 'x', error: { code: 'ANY_CODE' } }]
    expect(await told({ steps }, { answers, expect: { error: { code: 'ANY_CODE' } } })).toEqual([])
  })

  it('gives the same course each time', async () => {
    const each = { items: '[1, 2, 3]', concurrency: 2, steps: [call('set')] }
    const test = {
      answers: [{ connection: 'crm', output: 1 }],
      expect: { output: [1, 1, 1], writebacks: [] },
    }
    const rules = [{ name: 'ask', require: { stages: [{ roles: ['lead'] }] } }]
    const play = () =>
      told(
        { steps: [{ name: 'each', for_each: each }], rules },
        { ...test, decisions: [{ path: '*', verdict: 'approve' }] },
      )
    const first = await play()
    expect(first).toHaveLength(3)
    expect(await play()).toEqual(first)
  })
})
