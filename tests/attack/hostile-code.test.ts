/**
 * The attacker writes the code of a step, and is allowed to. He wants the worker: its process, its time, its memory, or
 * what another call has left behind. What he may have is a result, or a failure with a code.
 */
import { describe, expect, test } from 'vitest'
import { CODE_MEMORY_BYTES } from '../../lib/limits.ts'
import { inSandbox } from '../../lib/sandbox/pool.ts'
import type { CodedError } from '../../schemas/errors.ts'
import type { SandboxAnswer } from '../../lib/sandbox/request.ts'

const TIMEOUT_MS = 1_500
/** After the deadline the thread is ended from outside; the rest is for a machine that is busy. */
const PATIENCE_MS = 20_000

interface Options {
  timeoutMs?: number
  organization?: string
}

function run(
  body: string,
  context: object = {},
  { timeoutMs = TIMEOUT_MS, organization = 'acme' }: Options = {},
): Promise<SandboxAnswer> {
  const request = {
    kind: 'run',
    source: `export default async function (ctx) {\n${body}\n}`,
    contextText: JSON.stringify(context),
    timeoutMs,
    nowMs: Date.parse('2026-01-02T03:04:05Z'),
    seed: '0123456789abcdef0123456789abcdef',
  } as const
  return inSandbox(request, { organization })
}

async function codeOf(body: string, context: object = {}, options?: Options): Promise<string> {
  const answer = await run(body, context, options)
  return answer.ok ? `completed: ${answer.outputText.slice(0, 200)}` : answer.code
}

function codeIn(error: unknown): string {
  return (error as CodedError).code
}

/** While it goes on this thread answers at once, and afterwards the next call is none the wiser. */
async function expectStopped(body: string, codes: string[]): Promise<void> {
  let longestMs = 0
  let lastMs = Date.now()
  const beats = setInterval(() => {
    longestMs = Math.max(longestMs, Date.now() - lastMs)
    lastMs = Date.now()
  }, 50)
  const startMs = Date.now()
  try {
    expect(codes).toContain(await codeOf(body))
  } finally {
    clearInterval(beats)
  }
  expect(Date.now() - startMs).toBeLessThan(PATIENCE_MS)
  // Had this thread done it, nearly all of that time would be one stretch.
  expect(longestMs).toBeLessThan(Math.max(1_000, (Date.now() - startMs) / 2))
  expect(await codeOf('return 1')).toBe('completed: 1')
}

describe('time', () => {
  test.each([
    ['a loop', 'for (;;) {}'],
    ['a loop that catches what stops it', 'for (;;) try { for (;;) {} } catch {} finally { for (;;) {} }'],
    ['microtasks without end', 'for (;;) await 1'],
    ['promises without end', 'const next = () => Promise.resolve().then(next); return next()'],
    ['a catastrophic regular expression', 'return /^(a+)+$/.test("a".repeat(40) + "b")'],
    ['a built-in that is not interrupted', 'for (;;) new Uint8Array(1e6)'],
    [
      'a getter of the error',
      'throw Object.defineProperty(new Error(), "message", { get() { for (;;) {} } })',
    ],
    ['a way to become JSON', 'return { toJSON() { for (;;) {} } }'],
  ])('of %s ends', async (_what, body) => {
    await expectStopped(body, ['CODE_TIMEOUT'])
  })
})

describe('memory', () => {
  test.each([
    ['texts', 'const all = []; for (;;) all.push("x".repeat(100_000) + all.length)'],
    ['lists', 'const all = []; for (;;) all.push([1, 2, 3])'],
    ['one buffer', 'return new ArrayBuffer(2 ** 31)'],
    ['a buffer of the whole limit', `return new ArrayBuffer(${CODE_MEMORY_BYTES}).byteLength`],
    ['a text that doubles', 'let s = "xy"; for (;;) s += s'],
  ])('of %s is bounded', async (_what, body) => {
    await expectStopped(body, ['LIMIT_EXCEEDED', 'CODE_TIMEOUT', 'CODE_FAILED'])
  })

  test.each([
    ['recursion', 'const go = () => go(); go()'],
    ['a deep source', 'eval("(".repeat(1e6))'],
    ['deep JSON', 'return JSON.parse("[".repeat(1e6))'],
  ])('of the stack is bounded for %s', async (_what, body) => {
    await expectStopped(body, ['CODE_FAILED', 'LIMIT_EXCEEDED'])
  })
})

describe('the outside', () => {
  test.each([
    'ctx.constructor.constructor("return process")()',
    '(async () => {}).constructor("return process")()',
    'globalThis.process.env',
    'require("node:fs")',
    'await import("node:fs")',
    'fetch("http://127.0.0.1")',
    'new WebSocket("ws://127.0.0.1")',
    'setTimeout(() => {}, 1)',
    'std.getenv("PATH")',
    'os.exec(["id"])',
  ])('is not reached by %s', async (expression) => {
    expect(await codeOf(`return ${expression}`)).toBe('CODE_FAILED')
  })

  test('shows neither its clock nor its chance', async () => {
    const body = `const made = new (new Date(0).constructor)()
      return [Date.now(), +new Date(), made.getTime(), Date(), new Date().getHours(), Math.random(), Math.random()]`
    const [first, second] = [await run(body), await run(body)]
    const atMs = Date.parse('2026-01-02T03:04:05Z')
    const values = JSON.parse(first.ok ? first.outputText : 'null') as unknown[]
    expect(values.slice(0, 3), 'the clock is that of the call').toEqual([atMs, atMs, atMs])
    expect(first).toEqual(second)
    expect(values.slice(4, 5)).toEqual([3])
    expect(values[5]).not.toBe(values[6])
  })
})

describe('another call', () => {
  test('finds nothing of what one has done to its world', async () => {
    const poison = `Object.prototype.evil = 1; Array.prototype.push = () => 1; globalThis.evil = 1
      JSON.stringify = JSON.parse = () => "evil"; Promise.prototype.then = () => 1; Date.now = () => 1
      return {}.evil`
    expect(await codeOf(poison)).toBe('completed: 1')
    const clean = await codeOf(
      'return [{}.evil ?? null, globalThis.evil ?? null, [].push(1), JSON.parse("2"), ctx]',
      { a: 1 },
    )
    expect(clean).toBe('completed: [null,null,1,2,{"a":1}]')
  })

  test('of many at once gets its own result', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => run('return ctx.n', { n })))
    expect(answers.map((answer) => answer.ok && answer.outputText)).toEqual(answers.map((_, n) => String(n)))
  })

  test('goes on beside loops', async () => {
    const loops = Array.from({ length: 3 }, () => codeOf('for (;;) {}', {}, { timeoutMs: 300 }))
    expect(await codeOf('return 1')).toBe('completed: 1')
    expect(await Promise.all(loops)).toEqual(['CODE_TIMEOUT', 'CODE_TIMEOUT', 'CODE_TIMEOUT'])
  })

  test('of another organization has a thread at once, however many wait', async () => {
    // So that threads are there: starting one takes as long as the first loop may go on.
    await Promise.all(['a', 'b', 'c', 'd'].map((organization) => run('return 1', {}, { organization })))
    let ended = 0
    const loops = Array.from({ length: 4 }, () =>
      run('for (;;) {}', {}, { timeoutMs: 1_100 })
        .catch(() => undefined)
        .finally(() => ended++),
    )
    const other = await codeOf('return 1', {}, { organization: 'other' }).catch(codeIn)
    expect([other, ended]).toEqual(['completed: 1', 0])
    await Promise.all(loops)
  })
})

describe('what comes out', () => {
  test('has a limit', async () => {
    expect(await codeOf('return "x".repeat(10 * 1024 * 1024)')).toBe('VALUE_TOO_LARGE')
    expect(await codeOf('let a = []; for (let i = 0; i < 1000; i++) a = [a]; return a')).toBe('CODE_FAILED')
    const thrown = await run('throw new Error("x".repeat(1e6))')
    expect(thrown.ok ? '' : thrown.message.length).toBeLessThan(600)
  })

  test('of the console is bounded, and what is dropped is counted', async () => {
    const { logs } = await run(
      'for (let i = 0; i < 500; i++) console.log("line", i); console.log("x".repeat(1e6))',
    )
    expect(logs).toHaveLength(101)
    expect(logs[0]).toEqual({ level: 'log', text: 'line 0' })
    expect(logs[100]).toEqual({ level: 'warn', text: '(401 more lines were not kept)' })
    const { logs: long } = await run('for (let i = 0; i < 9; i++) console.error("é".repeat(1e6))')
    expect(JSON.stringify(long).length).toBeLessThan(10_000)
  })
})

test('nobody waits for a call that is not wanted any more', async () => {
  // So that it is under way, in a thread that is there, when it is stopped.
  expect(await codeOf('return 1')).toBe('completed: 1')
  const stop = new AbortController()
  const source = 'export default () => { for (;;) {} }'
  const seed = '0'.repeat(32)
  const startMs = Date.now()
  const asked = inSandbox(
    { kind: 'run', source, contextText: '{}', timeoutMs: 30_000, nowMs: 0, seed },
    { signal: stop.signal },
  )
  setTimeout(() => stop.abort(), 300)
  const ended: unknown = await asked.catch((error: unknown) => error)
  expect(Date.now() - startMs).toBeLessThan(PATIENCE_MS)
  expect(ended).toMatchObject({ code: 'CANCELLED' })
})
