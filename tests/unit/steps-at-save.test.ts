/** What is wrong with steps that have steps inside, told before anything runs: all at once, each with its place. */
import { describe, expect, it } from 'vitest'
import { automationPlaces } from '../../manifests/automations.ts'
import { parseDocuments, ofKind, RULE_HINTS } from '../../manifests/document.ts'
import { pinsOf, toolPlaces } from '../../api/manifests/tools.ts'
import { AutomationSpecSchema, ConnectionSpecSchema } from '../../schemas/manifests.ts'

const known = {
  connections: new Map([
    ['crm', ConnectionSpecSchema.parse({ type: 'mcp', transport: 'http', url: 'http://crm.example' })],
    [
      'bank',
      ConnectionSpecSchema.parse({
        type: 'mcp',
        transport: 'http',
        url: 'http://bank.example',
        tools: { pay: { key_argument: 'reference' } },
      }),
    ],
  ]),
  automations: new Map([
    [
      'notify',
      AutomationSpecSchema.parse({
        input: {
          type: 'object',
          properties: { who: { type: 'string' } },
          required: ['who'],
          additionalProperties: false,
        },
        steps: [{ name: 'end', return: 1 }],
      }),
    ],
  ]),
  mayBeMore: false,
}

const call = (name: string, about = 'x') => ({
  name,
  tool_call: { connection: 'crm', tool: 'get', arguments: { about } },
})
const loop = (name: string, steps: object[], items = 'input') => ({ name, for_each: { items, steps } })

/** `place: message hint`, without the place of the manifest and hints that say nothing of the place. */
function wrong(steps: object[]): string[] {
  const { documents, places } = parseDocuments([{ kind: 'Automation', name: 'a', spec: { steps } }])
  const found = [...places, ...ofKind(documents, 'Automation').flatMap((one) => automationPlaces(one, known))]
  return found.map(
    ({ path, rule, message, hint }) =>
      `${path.replace('manifests[0].', '')}: ${message}${hint && hint !== RULE_HINTS[rule] ? ` ${hint}` : ''}`,
  )
}

describe('a step', () => {
  it('says what it does, and only one thing', () => {
    expect(wrong([{ name: 'a' }])).toEqual([
      'spec.steps[0]: needs one of tool_call, writeback, run_automation, code, ask, sleep, choose, for_each, parallel, return, fail Add exactly one of them.',
    ])
    expect(wrong([{ ...call('a'), return: 1 }])).toEqual([
      'spec.steps[0]: has no field `return` It belongs to another form: write one or the other.',
    ])
  })

  it('is looked at wherever it stands', () => {
    const broken = { name: 'b', tool_call: { connection: 'crm' } }
    const inner = { name: 'pick', choose: { branches: [{ when: 'true', steps: [call('a'), broken] }] } }
    expect(wrong([call('first'), loop('each', [inner])])).toEqual([
      'spec.steps[1].for_each.steps[0].choose.branches[0].steps[1].tool_call.tool: is missing It takes a text.',
    ])
  })

  it('does not give the argument into which the connection puts the key of the write', () => {
    const pay = (args: unknown, tool = 'pay') => ({
      name: 'pay',
      tool_call: { connection: 'bank', tool, arguments: args },
    })
    expect(wrong([pay({ to: 'ann', reference: '${{ run.id }}' })])).toEqual([
      'spec.steps[0].tool_call.arguments.reference: is where connection `bank` puts the key of the write (`key_argument`) Leave it out, or name another one in the connection.',
    ])
    expect(wrong([pay({ to: 'ann' })])).toEqual([])
    expect(wrong([pay({ reference: 'x' }, 'look')])).toEqual([])
    // What it gives is looked at when it is called.
    expect(wrong([pay('${{ input }}')])).toEqual([])
  })

  it('may be retried only if it calls something', () => {
    const retry = { max_attempts: 3 }
    expect(wrong([{ ...call('a'), retry }])).toEqual([])
    expect(wrong([{ ...loop('each', [call('a')]), retry }])).toEqual([
      'spec.steps[0]: has no field `retry` It belongs to another form: write one or the other.',
    ])
    expect(wrong([{ ...call('a'), retry: { max_attempts: 1 } }])).toEqual([
      'spec.steps[0].retry.max_attempts: must be at least 2 It takes 2 or more.',
    ])
  })
})

describe('names', () => {
  it('of steps before and around a block are taken in it, those beside it are not', () => {
    const steps = [
      call('a'),
      {
        name: 'fan',
        parallel: { branches: { left: [call('b'), call('b')], right: [call('b'), call('a'), call('fan')] } },
      },
      call('b'),
    ]
    expect(wrong(steps)).toEqual([
      'spec.steps[1].parallel.branches.left[1].name: there is a step `b` already',
      'spec.steps[1].parallel.branches.right[1].name: there is a step `a` around or before this block already',
      'spec.steps[1].parallel.branches.right[2].name: there is a step `fan` around or before this block already',
    ])
  })

  it('of branches are as those of steps', () => {
    expect(wrong([{ name: 'fan', parallel: { branches: { 'not-so': [call('a')] } } }])).toHaveLength(1)
    expect(wrong([{ name: 'fan', parallel: { branches: {} } }])).toEqual([
      'spec.steps[0].parallel.branches: must have a branch',
    ])
  })
})

describe('references', () => {
  it('reach what comes before, in the block and around it, and `item` in a loop', () => {
    const inner = [
      call('a', '${{ steps.first.output + item + string(index) }}'),
      call('b', '${{ steps.a.output }}'),
    ]
    const nested = [
      { name: 'pick', choose: { branches: [{ when: 'item.x && steps.first.output', steps: inner }] } },
    ]
    expect(
      wrong([
        call('first'),
        loop('each', nested, 'steps.first.output'),
        call('c', '${{ steps.each.output }}'),
      ]),
    ).toEqual([])
  })

  it('reach nothing else', () => {
    const steps = [
      loop('each', [call('a', '${{ steps.b.output }}'), call('b', '${{ steps.each.output }}')], 'item'),
      {
        name: 'fan',
        parallel: { branches: { left: [call('c')], right: [call('d', '${{ steps.c.output }}')] } },
      },
      { name: 'end', return: '${{ [steps.a.output, steps.fan.outptu, item] }}' },
    ]
    expect(wrong(steps)).toEqual([
      'spec.steps[0].for_each.items: There is no variable `item`; in scope: `input`, `steps`, `run` (character 1 of it)',
      'spec.steps[0].for_each.steps[0].tool_call.arguments.about: step `b` comes later, or is this one',
      'spec.steps[0].for_each.steps[1].tool_call.arguments.about: step `each` comes later, or is this one',
      'spec.steps[1].parallel.branches.right[0].tool_call.arguments.about: step `c` is in another branch of `fan`',
      'spec.steps[2].return: There is no variable `item`; in scope: `input`, `steps`, `run` (character 40 of it)',
    ])
    expect(
      wrong([
        loop('each', [call('a')]),
        { name: 'end', return: '${{ [steps.a.output, steps.eahc.output] }}' },
      ]),
    ).toEqual([
      'spec.steps[1].return: step `a` is inside `each`, of which only the output can be named here',
      'spec.steps[1].return: there is no step `eahc` Did you mean `each`?',
    ])
  })

  it('may stand in one expression in place of all arguments, and in nothing else', () => {
    const whole = (text: string) =>
      wrong([{ name: 'a', tool_call: { connection: 'crm', tool: 'get', arguments: text } }])
    const at = 'spec.steps[0].tool_call.arguments: '
    const form = 'must be an object, or one `${{ … }}` that gives one'
    expect(whole('${{ input }}')).toEqual([])
    expect(whole('${{ {"about": input.x} }}')).toEqual([])
    expect(whole('${{ [input] }}')).toEqual([`${at}gives a list, not an object`])
    expect(whole('input')).toEqual([at + form])
    expect(whole('${{ input }} and ${{ run }}')).toEqual([at + form])
    expect(whole('${{ steps.b.output }}')).toEqual([`${at}there is no step \`b\``])
    expect(whole('${{ "}}')).toEqual([`${at}\`\${{\` at character 1 is not closed by \`}}\``])
  })

  it('in an expression need no braces', () => {
    expect(wrong([loop('each', [call('a')], '${{ input.items }}')])).toEqual([
      'spec.steps[0].for_each.items: is an expression as it is Write it without `${{` and `}}`.',
    ])
  })
})

describe('limits', () => {
  it('are 500 steps outside of loops, wherever they stand', () => {
    const many = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) => call(`${prefix}${index}`))
    const fan = { name: 'fan', parallel: { branches: { left: many('l', 250), right: many('r', 250) } } }
    expect(wrong([fan])).toEqual(['spec.steps: has 501 steps outside of loops; a run takes 500'])
    expect(wrong([...many('a', 499), loop('each', many('l', 300))])).toEqual([])
    expect(wrong(many('a', 501))).toEqual(['spec.steps: must have at most 500 items It takes 500 or less.'])
  })

  it('are 8 blocks in each other', () => {
    const nest = (depth: number): object => (depth === 0 ? call('in') : loop(`l${depth}`, [nest(depth - 1)]))
    expect(wrong([nest(8)])).toEqual([])
    const [place, ...more] = wrong([nest(10)])
    expect(place).toMatch(
      /^spec\.steps\[0\](\.for_each\.steps\[0\]){8}\.for_each\.steps: is over 8 blocks deep$/,
    )
    expect(more).toEqual([])
  })

  it('are 20 at once, and a year of sleep', () => {
    expect(
      wrong([{ name: 'each', for_each: { items: 'input', concurrency: 21, steps: [call('a')] } }]),
    ).toEqual(['spec.steps[0].for_each.concurrency: must be at most 20 It takes 20 or less.'])
    expect(wrong([{ name: 'nap', sleep: { for: '400d' } }])).toEqual([
      'spec.steps[0].sleep.for: is over 366 days',
    ])
  })
})

describe('the end of a run', () => {
  it('is not inside a loop or beside other branches', () => {
    const end = { name: 'end', return: 1 }
    const choice = { name: 'pick', choose: { branches: [{ when: 'true', steps: [end] }] } }
    expect(wrong([choice])).toEqual([])
    expect(wrong([loop('each', [choice])])).toEqual([
      'spec.steps[0].for_each.steps[0].choose.branches[0].steps[0].return: ends the run; inside for_each it is a race The output of the last step is that of the block.',
    ])
    expect(wrong([{ name: 'fan', parallel: { branches: { a: [end] } } }])).toMatchObject([
      expect.stringContaining('inside parallel it is a race') as string,
    ])
  })

  it('by a failure has a code of its own', () => {
    expect(wrong([{ name: 'stop', fail: { code: 'WITHDRAWN', message: '${{ input.x }}' } }])).toEqual([
      'spec.steps[0].fail.code: WITHDRAWN has a meaning already; choose another',
    ])
    expect(wrong([{ name: 'stop', fail: { code: 'mine', message: '${{ nothing }}' } }])).toEqual([
      'spec.steps[0].fail.code: must be upper case, such as OVER_BUDGET',
    ])
  })
})

describe('a question', () => {
  it('has a form that compiles, somebody to answer it, and texts that name what there is', () => {
    const ask = (more: object) => [
      { name: 'tier', ask: { title: 'Which?', form: {}, of: { roles: ['lead'] }, ...more } },
    ]
    expect(wrong(ask({ markdown: 'of ${{ input.x }}' }))).toEqual([])
    expect(wrong(ask({ form: { type: 'objekt' } }))).toMatchObject([
      expect.stringContaining('spec.steps[0].ask.form: is not a usable JSON Schema') as string,
    ])
    expect(wrong(ask({ of: {} }))).toEqual(['spec.steps[0].ask.of: needs a role or a person'])
    expect(wrong(ask({ title: '${{ nothing }}' }))).toMatchObject([
      expect.stringContaining('spec.steps[0].ask.title: There is no variable `nothing`') as string,
    ])
    expect(wrong(ask({ expires_after: '400d' }))).toEqual([
      'spec.steps[0].ask.expires_after: is over 366 days',
    ])
  })
})

describe('a sub-run', () => {
  it('is of an automation that there is, with an input that it takes', () => {
    const sub = (automation: string, input: object) => ({
      name: 'sub',
      run_automation: { automation, input },
    })
    expect(wrong([sub('notify', { who: '${{ input.x }}' })])).toEqual([])
    expect(wrong([sub('notfy', {}), loop('each', [sub('notify', { who: 5, what: 1 })])])).toEqual([
      'spec.steps[0].run_automation.automation: there is no automation `notfy` Did you mean `notify`?',
      'spec.steps[1].for_each.steps[0].name: there is a step `sub` around or before this block already',
      'spec.steps[1].for_each.steps[0].run_automation.input: must NOT have additional properties: what',
      'spec.steps[1].for_each.steps[0].run_automation.input.who: must be string',
    ])
  })
})

describe('a time', () => {
  it('is an ISO time as it is, or an expression', () => {
    const nap = (until: string) => [{ name: 'nap', sleep: { until } }]
    for (const until of [
      '2026-10-01T12:00:00Z',
      '2026-10-01T12:00:00+02:00',
      'input.at',
      'timestamp(input.at) - duration("1h")',
    ])
      expect(wrong(nap(until))).toEqual([])
    expect(wrong(nap('tomorrow'))).toHaveLength(1)
    expect(wrong([{ name: 'nap', sleep: {} }])).toHaveLength(1)
  })
})

describe('tools of steps inside', () => {
  it('are looked up and pinned like all others', () => {
    const steps = [
      loop('each', [call('a'), { name: 'b', tool_call: { connection: 'crm', tool: 'gte', arguments: {} } }]),
    ]
    const { documents } = parseDocuments([{ kind: 'Automation', name: 'a', spec: { steps } }])
    const [document] = ofKind(documents, 'Automation')
    if (!document) throw new Error('the automation is not valid')
    const inputSchema = { type: 'object', properties: { about: { type: 'number' } } }
    const offered = [{ tool: 'get', definitionSha256: 'f'.repeat(64), inputSchema }]
    const tools = new Map([['crm', { tools: offered, warnings: [] }]])
    const pins = pinsOf(document.manifest.spec, tools)
    const places = toolPlaces(documents, tools)
    expect(pins).toEqual({ 'crm/get': 'f'.repeat(64) })
    expect(places.map(({ path }) => path)).toEqual([
      'manifests[0].spec.steps[0].for_each.steps[0].tool_call.arguments.about',
      'manifests[0].spec.steps[0].for_each.steps[1].tool_call.tool',
    ])
  })
})
