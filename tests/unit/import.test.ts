/** Definitions of the public guide as automations: what is carried over, what is said of the rest, and what is refused. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { JsonObject } from '../../lib/json.ts'
import { importDefinition, type ImportOptions } from '../../manifests/import.ts'
import { runCli } from '../support/cli.ts'

const IMPORTED = fileURLToPath(new URL('../../examples/imported', import.meta.url))

const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  type: 'tool_call',
  def: { name, tool_name: 'get', integration: 'i:crm', ...more },
})
const code = (name: string, execute: string): JsonObject => ({ type: 'code', def: { name, execute } })
const flow = (...steps: JsonObject[]): JsonObject => ({ name: 'A Flow', steps })

const CODE_RUNS =
  'steps: code computes for 5s here and is not tried again; the guide gives it 10 minutes and 5 retries Where it needs more, add `code.timeout` (60s at most) and `retry` to the step.'

function imported(definition: unknown, options: Partial<ImportOptions> = {}) {
  return importDefinition(definition, { connections: new Map(), ...options })
}

async function stepsOf(definition: unknown, options: Partial<ImportOptions> = {}): Promise<JsonObject[]> {
  const result = await imported(definition, options)
  if (!result.ok) throw new Error(JSON.stringify(result.places))
  return (result.manifest['spec'] as { steps: JsonObject[] }).steps
}

async function warningsOf(definition: unknown, options: Partial<ImportOptions> = {}): Promise<string[]> {
  const result = await imported(definition, options)
  if (!result.ok) throw new Error(JSON.stringify(result.places))
  return result.warnings.map(({ path, message, hint }) => `${path}: ${message}${hint ? ` ${hint}` : ''}`)
}

async function refusalsOf(definition: unknown, options: Partial<ImportOptions> = {}): Promise<string[]> {
  const result = await imported(definition, options)
  if (result.ok) throw new Error('it was imported')
  return result.places.map(({ path, message }) => `${path}: ${message}`)
}

describe('an import', () => {
  it('gives the first tool the input, and each other one what the step before gave', async () => {
    expect(
      await stepsOf(flow(tool('Get It'), code('Shape', 'export default () => ({})'), tool('put'))),
    ).toEqual([
      { name: 'get_it', tool_call: { connection: 'crm', tool: 'get', arguments: '${{ input }}' } },
      { name: 'shape', code: { source: 'export default () => ({})' } },
      { name: 'put', tool_call: { connection: 'crm', tool: 'get', arguments: '${{ steps.shape.output }}' } },
    ])
  })

  it('names automation and connections as it is told, else after the definition', async () => {
    const definition = flow(tool('a'), tool('b', { integration: 'Billing System' }))
    const connections = new Map([['i:crm', 'customers']])
    const result = await imported(definition, { name: 'mine', connections })
    expect(result).toMatchObject({ ok: true, warnings: [], manifest: { kind: 'Automation', name: 'mine' } })
    expect(await stepsOf(definition, { connections })).toMatchObject([
      { tool_call: { connection: 'customers' } },
      { tool_call: { connection: 'billing-system' } },
    ])
    expect(await imported(definition)).toMatchObject({ manifest: { name: 'a-flow' } })
  })

  it.each<[JsonObject, JsonObject]>([
    [
      { retries: { limit: 2, delay: 1500, backoff: 'exponential' } },
      { retry: { max_attempts: 3, backoff: '1500ms' } },
    ],
    [
      { retries: { limit: 1, delay: '2 minutes' }, timeout: 90_000 },
      { retry: { max_attempts: 2, backoff: '2m' }, timeout: '90s' },
    ],
    [{ retries: { limit: 3 } }, { retry: { max_attempts: 4, backoff: '0ms' } }],
    [{ retries: { limit: 0, delay: 5 }, timeout: '1 hour' }, { timeout: '1h' }],
    [{}, {}],
  ])('carries over %j', async (options, fields) => {
    const definition = flow(tool('a', { options }))
    const [step] = await stepsOf(definition)
    const { name: _name, tool_call: _call, ...rest } = step ?? {}
    expect(rest).toEqual(fields)
    expect(await warningsOf(definition)).toEqual([])
  })

  it('says what it changes and what it leaves out', async () => {
    const options = {
      retries: { limit: 20, delay: 'soon', backoff: 'linear', jitter: true },
      timeout: null,
      queue: 'q',
    }
    const step = { ...tool('a', { options, icon: 'x' }), views: [] }
    const at = 'steps[0].def.options'
    expect(await warningsOf({ ...flow(step), outputSchema: {}, id: 'x' })).toEqual([
      'id: is left out: it is no part of an automation',
      'outputSchema: is left out: a result is not checked here',
      'steps[0].views: is left out: it is no part of an automation',
      'steps[0].def.icon: is left out: it is no part of an automation',
      `${at}.queue: is left out: it is no part of an automation`,
      `${at}.retries.jitter: is left out: it is no part of an automation`,
      `${at}.retries.limit: becomes 9: a step has 10 attempts at most`,
      `${at}.retries.delay: becomes 10s: it is no time`,
      `${at}.retries.backoff: linear becomes exponential: here each wait is twice as long as the last`,
      `${at}.timeout: is left out: null is no time; it is 1h here`,
    ])
    expect(await warningsOf(flow(tool('a')), { connections: new Map([['i:cmr', 'x']]) })).toEqual([
      'steps: no step is about the integration i:cmr There are: i:crm.',
    ])
  })

  it('says what code seems to ask for and will not get', async () => {
    const source = `export default async (ctx) => {
      const { env, ...own } = [ctx].map((c) => c.env)[0]
      await ctx.readStepResult('Frist')
      return [ctx].map(async (c) => c.sleep(await ctx.readStepResult("First")))
    }`
    expect(await warningsOf(flow(tool('First'), code('b', source)))).toEqual([
      CODE_RUNS,
      'steps[1].def.execute: seems to call tools from code Code calls none here: make a tool_call step of each.',
      'steps[1].def.execute: seems to wait in code Make a sleep step of it.',
      'steps[1].def.execute: seems to read the result of `Frist`, and no step before it has that name Did you mean `first`?',
    ])
  })
})

describe('what cannot be imported', () => {
  it.each([
    ['export default async (ctx) => {\n  await ctx.sleep("a", 5)\n}', ['line 2: `ctx.sleep` waits in code']],
    [
      'export default async function run(c) { await c . sleepUntil(1); return c?.env.x }',
      ['line 1: `c.sleepUntil` waits in code', 'line 1: `c.env` calls tools from code'],
    ],
    ['export default async ({ input, env }) => env.crm.GET(input)', ['line 1: `env` calls tools from code']],
    ['export default async ctx => ctx.env.crm()', ['line 1: `ctx.env` calls tools from code']],
  ])('is code that waits or calls tools: %s', async (source, expected) => {
    const places = await refusalsOf(flow(tool('a'), code('b', source)))
    expect(places).toEqual(expected.map((one) => `steps[1].def.execute: ${one}, which fails here`))
  })

  it('is not code that only speaks of it', async () => {
    const source =
      'export default (ctx) => { /* ctx.env */ // ctx.sleep(1)\n return ["ctx.env", ctx.input.envelope, ctx.environment] }'
    expect(await stepsOf(flow(tool('a'), code('b', source)))).toHaveLength(2)
  })

  it('is told all at once, each with its path', async () => {
    expect(await refusalsOf([])).toEqual(['(body): must be an object, not a list'])
    expect(await refusalsOf({ name: 'x', steps: [] })).toEqual(['steps: is empty'])
    expect(await refusalsOf(flow({ type: 'wait', def: {} }, tool('a', { tool_name: '' })))).toEqual([
      'steps[0].type: must be one of tool_call, code',
      'steps[1].def.tool_name: is empty',
    ])
  })

  it('is a name that has no counterpart, or one that two steps would have', async () => {
    const id = '0b7c2f9e'.repeat(8)
    const definition = flow(tool('Get It'), tool('get-it'), tool('€'), tool('x', { integration: `i:${id}` }))
    expect(await refusalsOf({ ...definition, name: 'x'.repeat(70) })).toEqual([
      `name: gives no name of an automation: \`${'x'.repeat(70)}\``,
      'steps[1].def.name: becomes `get_it`, as that of steps[0]',
      'steps[2].def.name: gives no name of a step: `step_`',
      `steps[3].def.integration: gives no name of a connection: \`x-${id}\``,
    ])
  })

  it('is code that is none, and an input that is no schema', async () => {
    const definition = {
      ...flow(code('a', 'const x = ;'), code('b', 'const x = 1')),
      inputSchema: { type: 'text' },
    }
    const [schema, syntax, none] = await refusalsOf(definition)
    expect(schema).toMatch(/^inputSchema: is not a usable JSON Schema/)
    expect(syntax).toMatch(/^steps\[0\]\.def\.execute: is not JavaScript .*line 1/)
    expect(none).toBe('steps[1].def.execute: has no default export')
  })
})

describe('countersign import', () => {
  const cli = (...args: string[]) => runCli(['import', ...args], { cwd: tmpdir() })

  it.each(['invoice-digest', 'dispute-export'])('prints the example %s', async (name) => {
    const { code, stdout } = await cli(
      `${IMPORTED}/definitions/${name}.json`,
      '--connection',
      'Team Notes=notes',
    )
    expect(code).toBe(0)
    expect(parse(stdout)).toEqual(parse(readFileSync(`${IMPORTED}/${name}.yaml`, 'utf8')))
    for (const [comment] of stdout.matchAll(/^ +# .*$/gm))
      expect(readFileSync(`${IMPORTED}/${name}.yaml`, 'utf8')).toContain(comment)
  })

  it('prints warnings beside the result, with lines', async () => {
    const { stdout, stderr } = await cli(`${IMPORTED}/definitions/invoice-digest.json`)
    expect(stdout).not.toContain('outputSchema')
    expect(stderr).toMatch(/invoice-digest\.json:13:\d+ outputSchema: is left out/)
    expect(stdout).toContain('connection: team-notes')
  })

  it('prints nothing of what it refuses, and a code with every place', async () => {
    const { code, stdout, stderr } = await cli(`${IMPORTED}/invoice-digest.yaml`, '--json')
    expect([code, stdout]).toEqual([1, ''])
    expect(JSON.parse(stderr)).toMatchObject({
      code: 'INVALID_DEFINITION',
      errors: [{ path: expect.stringMatching(/invoice-digest\.yaml:\d+:\d+ steps$/) as string }],
    })
    const wrong = await cli('x.json', '--connection', 'notes')
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
  })
})
