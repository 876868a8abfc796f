/** What the code of a step gives and says, and how it is told what is wrong with it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { codePlaces } from '../../manifests/code.ts'
import { ofKind, parseDocuments } from '../../manifests/document.ts'
import { stepNameOf } from '../../lib/imported-names.ts'
import { inSandbox } from '../../lib/sandbox/pool.ts'
import type { JsonObject } from '../../lib/json.ts'

async function result(source: string, context: JsonObject = {}): Promise<unknown> {
  const seed = 'fedcba9876543210fedcba9876543210'
  const contextText = JSON.stringify(context)
  const answer = await inSandbox({ kind: 'run', source, contextText, timeoutMs: 5_000, nowMs: 0, seed })
  return answer.ok ? (JSON.parse(answer.outputText) as unknown) : `${answer.code} ${answer.message}`
}

const inside = (body: string) => result(`export default async function (ctx) {\n${body}\n}`)

describe('the result', () => {
  it('is what the function gives, awaited', async () => {
    expect(await result('export default (ctx) => ctx.input.n + 1', { input: { n: 1 } })).toBe(2)
    expect(await inside('return await Promise.resolve({ a: [1, "x", null, true] })')).toEqual({
      a: [1, 'x', null, true],
    })
    expect(await result('const f = async () => 3\nexport { f as default }')).toBe(3)
    expect(await result('const n = await Promise.resolve(4)\nexport default () => n')).toBe(4)
    expect(await inside('')).toBeNull()
    expect(await inside('return { day: new Date(0), none: undefined }')).toEqual({
      day: '1970-01-01T00:00:00.000Z',
    })
  })

  it.each([
    ['return { a: { b: () => 1 } }', 'the result has at "b" what is a function, which JSON has not'],
    ['return () => 1', 'the result is a function, which JSON has not'],
    ['return { a: 1n }', 'the result has at "a" what is a bigint, which JSON has not'],
    ['return [0 / 0]', 'the result has at "0" what is NaN, which JSON has not'],
    [
      'return { row: 9007199254740993 }',
      'the result has at "row" what is 9007199254740992, over 2^53, where whole numbers are not exact: make it a text',
    ],
    ['return new Map()', 'the result is a Map or Set: make an object or a list of it'],
    ['return { later: Promise.resolve(1) }', 'the result has at "later" what is a promise: await it'],
    ['const a = {}; a.a = a; return a', 'the result holds itself: JSON has no cycles'],
    ['return new Promise(() => {})', 'it waits for a promise that nothing settles'],
  ])('of `%s` is refused', async (body, message) => {
    expect(await inside(body)).toBe(`CODE_FAILED ${message}`)
  })
})

describe('the context', () => {
  const steps = {
    fetch_data: { status: 'completed', output: { rows: 2 } },
    zero: { status: 'completed', output: 0 },
    off: { status: 'skipped', output: null },
  }
  const asked = (body: string) =>
    result(`export default async (ctx) => { ${body} }`, { input: { n: 1 }, steps })

  it('reads input and results by name too, also by the names from before an import', async () => {
    expect(await asked('return ctx.readWorkflowInput()')).toEqual({ n: 1 })
    expect(await asked("return await ctx.readStepResult('fetch_data')")).toEqual({ rows: 2 })
    expect(await asked("return ctx.readStepResult('Fetch Data!')")).toEqual({ rows: 2 })
    expect(await asked("return ctx.readStepResult('zero')")).toBe(0)
  })

  it('gives nothing where there is no result', async () => {
    expect(await asked("return ctx.readStepResult('toString')")).toMatch(
      /^CODE_FAILED Error: there is no step "toString" before this one/,
    )
    expect(await asked("return ctx.readStepResult('off')")).toMatch(
      /^CODE_FAILED Error: step "off" has no result: it is skipped/,
    )
  })

  it('is data and nothing else to code that copies it', async () => {
    expect(await asked('return ctx')).toEqual({ input: { n: 1 }, steps })
    expect(await asked('return Object.keys({ ...ctx })')).toEqual(['input', 'steps'])
  })

  it('says of what another engine has what to use instead', async () => {
    expect(await asked("await ctx.sleep('a', 5)")).toMatch(/no timers here: wait in a sleep step/)
    expect(await asked("return ctx.env['i:x'].GET({})")).toMatch(
      /code calls no tools: call them in tool_call steps/,
    )
  })

  it('knows a step by the name that an import gives it', async () => {
    for (const name of [
      'Fetch Data',
      'fetch-data',
      ' (Fetch) data. ',
      '2nd step',
      'Ünïcode',
      '_x_',
      '--',
      'a',
    ]) {
      const own = { steps: { [stepNameOf(name)]: { status: 'completed', output: name } } }
      const source = `export default (ctx) => ctx.readStepResult(${JSON.stringify(name)})`
      expect(await result(source, own)).toBe(name)
    }
  })
})

describe('a failure', () => {
  it('names the line in the source as it was written', async () => {
    expect(await inside('\n\n  ctx.nothing.at')).toBe(
      "CODE_FAILED TypeError: cannot read property 'at' of undefined (line 4, column 14)",
    )
    expect(await inside('throw "no"')).toBe('CODE_FAILED it threw no')
    expect(await inside('throw { reason: 5 }')).toBe('CODE_FAILED it threw {"reason":5}')
    expect(await result('export default 5')).toBe('CODE_FAILED its default export is not a function')
  })

  it('says what is not there, and what to use instead', async () => {
    expect(await inside('await fetch("http://x")')).toMatch(
      /^CODE_FAILED .*no fetch: call a tool in a tool_call step/,
    )
    expect(await inside('setTimeout(() => {})')).toMatch(/no timers here: wait in a sleep step/)
    expect(await inside('require("fs")')).toMatch(/nothing to import here/)
    expect(await inside('await import("fs")')).toMatch(/it imports fs, and there is nothing to import here/)
  })
})

describe('a source at save', () => {
  const wrong = async (source: string): Promise<string[]> => {
    const steps = [{ name: 'each', for_each: { items: '[]', steps: [{ name: 'sum', code: { source } }] } }]
    const { documents, places } = parseDocuments([{ kind: 'Automation', name: 'a', spec: { steps } }])
    const [document] = ofKind(documents, 'Automation')
    return [...places, ...(document ? await codePlaces(document) : [])].map(
      ({ path, message, hint }) =>
        `${path.replace('manifests[0].spec.steps[0].for_each.', '')}: ${message} ${hint ?? ''}`,
    )
  }

  it('is read, and not run', async () => {
    expect(await wrong('export default async (ctx) => ctx.input')).toEqual([])
    expect(await wrong('const n = await nothing\nexport default async () => n')).toEqual([])
    expect(await wrong('for (;;) {}\nexport default () => 1')).toEqual([])
  })

  it('is refused with line and column', async () => {
    expect(await wrong('export default () => {\n  let x = ;\n}')).toEqual([
      "steps[0].code.source: is not JavaScript that can run here: SyntaxError: unexpected token in expression: ';' (line 2, column 11) Lines and columns are those of the source, from 1.",
    ])
    expect(await wrong('import fs from "fs"\nexport default () => 1')).toEqual([
      'steps[0].code.source: is not JavaScript that can run here: Error: it imports fs, and there is nothing to import here: what it needs has to stand in it Lines and columns are those of the source, from 1.',
    ])
    expect(await wrong('const x = 1')).toEqual([
      'steps[0].code.source: has no default export Write `export default async function (ctx) { … }`.',
    ])
    expect(await wrong(`export default () => ${'('.repeat(60_000)}`)).toHaveLength(1)
  })

  it.each([
    '// export default () => 1',
    'const text = "export default"',
    'export const x = 1',
    '/* as default */',
  ])('has no default export where only a comment or a text says so: %s', async (source) => {
    expect(await wrong(source)).toEqual([
      'steps[0].code.source: has no default export Write `export default async function (ctx) { … }`.',
    ])
  })

  it.each(['5', '"x"', "'x';", 'null', '{ fetch() {} }', 'class {}', '-1.5\nconst x = 1'])(
    'exports what can be called, unlike %s',
    async (value) => {
      expect(await wrong(`export default ${value}`)).toEqual([
        'steps[0].code.source: its default export is not a function Write `export default async function (ctx) { … }`.',
      ])
    },
  )

  it.each([
    'function f() {}\nexport { f as default }',
    'export default\n  async (ctx) => { return 5 }',
    'export default function () { return "export default 5" }',
    'const f = { g: () => 1 }\nexport default f.g',
    'export default ((ctx) => ({ a: ctx }))',
    '// export default 5\nexport default () => 1',
  ])('may export its function as it likes: %s', async (source) => {
    expect(await wrong(source)).toEqual([])
  })

  it('is bounded', async () => {
    expect(await wrong(`export default () => 1 // ${'é'.repeat(32 * 1024)}`)).toEqual([
      'steps[0].code.source: is over 64 KB ',
    ])
  })
})

describe('more code than threads', () => {
  const seed = 'fedcba9876543210fedcba9876543210'
  const busy = (organization: string) =>
    inSandbox(
      {
        kind: 'run',
        source: 'export default () => { for (;;); }',
        contextText: '{}',
        timeoutMs: 1_100,
        nowMs: 0,
        seed,
      },
      { organization },
    )

  it('of one organization waits, and that of another does not; what is cancelled waits no longer', async () => {
    let ended = 0
    const spinning = Array.from({ length: 3 }, () => busy('spins').finally(() => ended++))
    const cancelled = new AbortController()
    const unwanted = inSandbox(
      { kind: 'run', source: '', contextText: '{}', timeoutMs: 1, nowMs: 0, seed },
      { organization: 'spins', signal: cancelled.signal },
    )
    cancelled.abort()
    await expect(unwanted).rejects.toMatchObject({ code: 'CANCELLED' })
    const request = {
      kind: 'run',
      source: 'export default () => 1',
      contextText: '{}',
      nowMs: 0,
      seed,
    } as const
    const other = await inSandbox({ ...request, timeoutMs: 5_000 }, { organization: 'other' })
    expect(other).toMatchObject({ ok: true, outputText: '1' })
    expect(ended).toBeLessThanOrEqual(2)
    const answers = await Promise.allSettled(spinning)
    const codes = answers.map((one) =>
      one.status === 'fulfilled' ? !one.value.ok && one.value.code : (one.reason as { code: string }).code,
    )
    expect(codes.slice(0, 2)).toEqual(['CODE_TIMEOUT', 'CODE_TIMEOUT'])
    expect(await result('export default () => 1')).toBe(1)
  })
})

describe('local time', () => {
  const source = `export default () => {
    const now = new Date()
    return [now.getHours(), now.getTimezoneOffset(), new Date('2026-07-01T08:00').toISOString(),
      new Date(2026, 6, 1, 8).toISOString(), String(new Date(0))]
  }`
  const atMs = Date.parse('2026-07-02T03:04:05Z')

  it.each(['UTC', 'America/New_York', 'Asia/Kolkata'])('is UTC in a process whose zone is %s', async (TZ) => {
    const pool = new URL('../../lib/sandbox/pool.ts', import.meta.url)
    const request = {
      kind: 'run',
      source,
      contextText: '{}',
      timeoutMs: 5_000,
      nowMs: atMs,
      seed: 'f'.repeat(32),
    }
    const script = `
      import { inSandbox } from ${JSON.stringify(pool.href)}
      const answer = await inSandbox(${JSON.stringify(request)})
      process.stdout.write(answer.outputText, () => process.exit(0))`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { env: { ...process.env, TZ } },
    )
    expect(JSON.parse(stdout)).toEqual([
      3,
      0,
      '2026-07-01T08:00:00.000Z',
      '2026-07-01T08:00:00.000Z',
      'Thu Jan 01 1970 00:00:00 GMT+0000',
    ])
  })
})
