/** Expressions in plain Node; tests/workflows/cel-sandbox.test.ts runs the same golden file in the workflow sandbox. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { checkExpression, evaluateExpression, referencesOf } from '../../lib/cel.ts'
import { withAllowance } from '../../lib/cel-work.ts'
import type { Scope } from '../../lib/cel.ts'
import type { JsonValue } from '../../lib/json.ts'
import { CodedError } from '../../schemas/errors.ts'
import { evaluateCases } from '../fixtures/cel-golden-workflow.ts'
import type { GoldenFile, GoldenRun } from '../fixtures/cel-golden-workflow.ts'

const goldenUrl = new URL('../fixtures/cel-golden.json', import.meta.url)
const golden = JSON.parse(readFileSync(goldenUrl, 'utf8')) as GoldenFile
const scope = { ...golden.scope }

function errorOf(run: () => unknown): { code: string; message: string } {
  try {
    run()
  } catch (error) {
    if (error instanceof CodedError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the golden file', () => {
  it('gives the same results in plain Node', () => {
    expect(evaluateCases(golden)).toEqual(golden.cases)
  })

  it.each([
    ['America/New_York', 300],
    ['Pacific/Apia', -780],
  ])('gives the same results in a process whose time zone is %s', async (timeZone, offsetMinutes) => {
    const module = new URL('../fixtures/cel-golden-workflow.ts', import.meta.url)
    const script = `
      import { readFileSync } from 'node:fs'
      import { celGoldenWorkflow } from ${JSON.stringify(module.href)}
      const golden = JSON.parse(readFileSync(${JSON.stringify(fileURLToPath(goldenUrl))}, 'utf8'))
      process.stdout.write(JSON.stringify(await celGoldenWorkflow(golden)))`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { env: { ...process.env, TZ: timeZone } },
    )
    const run = JSON.parse(stdout) as GoldenRun
    expect(run.offsetMinutes).toBe(offsetMinutes)
    expect(run.outcomes).toEqual(golden.cases)
  })
})

describe('texts', () => {
  const text = 'abcd👍 and 👩‍👩‍👧 more'

  it.each<[string, JsonValue]>([
    ['t.substring(0, 5)', 'abcd👍'],
    ['t.substring(5)', ' and 👩‍👩‍👧 more'],
    ['t.substring(4, 4)', ''],
    ['t.substring(0, 5).size()', 5],
    ['t.substring(t.indexOf("and"), t.indexOf("and") + 3)', 'and'],
    ['t.indexOf("👍")', 4],
    ['t.indexOf("more")', 16],
    ['t.indexOf("a", 5)', 6],
    ['t.indexOf("nothing")', -1],
    ['t.lastIndexOf("o")', 17],
    ['t.lastIndexOf("a", 5.0)', 0],
    ['t.split("").size() == t.size()', true],
    ['"👍a👍".split("")', ['👍', 'a', '👍']],
    ['"👍a👍".split("", 2)', ['👍', 'a👍']],
    ['"👍a👍".split("a")', ['👍', '👍']],
    ['t.split(" ").map(part, part.size()).exists(n, n == 5)', true],
    ['"abc".substring(1, 2)', 'b'],
  ])('%s counts characters: %j', (source, expected) => {
    expect(evaluateExpression(source, { t: text })).toEqual(expected)
  })

  it('are never cut in the middle of a character', () => {
    const all = Array.from(text)
    for (let from = 0; from <= all.length; from++)
      for (let to = from; to <= all.length; to++)
        expect(evaluateExpression(`t.substring(${from}, ${to})`, { t: text })).toBe(
          all.slice(from, to).join(''),
        )
    expect(
      errorOf(() => evaluateExpression(`t.substring(${all.length + 1})`, { t: text })).message,
    ).toContain(`outside a text of length ${all.length}`)
  })

  it('hold no half of a character, and look for none', () => {
    expect(errorOf(() => evaluateExpression('t.split(half)', { t: text, half: '\ud83d' })).message).toContain(
      'half',
    )
    expect(checkExpression(String.raw`"\ud83d"`, []).ok).toBe(false)
  })
})

describe('times', () => {
  const at = (digits: string): string => `timestamp("2026-10-01T12:00:00.${digits}Z")`

  it.each<[string, JsonValue]>([
    [at('123456'), '2026-10-01T12:00:00.123456Z'],
    [at('123456789'), '2026-10-01T12:00:00.123456789Z'],
    [at('120'), '2026-10-01T12:00:00.120Z'],
    [`string(${at('123456')})`, '2026-10-01T12:00:00.123456Z'],
    [`${at('123456')} == ${at('123457')}`, false],
    [`${at('123456')} == ${at('1234560')}`, true],
    [`${at('123456')} != ${at('123457')}`, true],
    [`${at('123456')} < ${at('123457')}`, true],
    [`${at('123457')} <= ${at('123456')}`, false],
    [`${at('123457')} > ${at('123456')} && ${at('123457')} >= ${at('123457')}`, true],
    [`${at('123457')} - ${at('123456')}`, '0.000001s'],
    [`${at('123456')} - ${at('123457')}`, '-0.000001s'],
    [`${at('123456')} + duration("1us")`, '2026-10-01T12:00:00.123457Z'],
    [`duration("1ns") + ${at('999999999')}`, '2026-10-01T12:00:01.000Z'],
    [`${at('000')} - duration("1ns")`, '2026-10-01T11:59:59.999999999Z'],
    [`${at('123456')} in [${at('123457')}]`, false],
    [`[${at('123456')}] == [${at('123457')}]`, false],
    [`{"at": ${at('123456')}} != {"at": ${at('123457')}}`, true],
    ['timestamp(-0.5)', '1969-12-31T23:59:59.500Z'],
    ['timestamp(1767225600.123456)', '2026-01-01T00:00:00.123456Z'],
    ['timestamp(1.001)', '1970-01-01T00:00:01.001Z'],
    ['timestamp("2026-10-01 12:00:00.123456+00")', '2026-10-01T12:00:00.123456Z'],
    ['timestamp("2026-10-01 14:00+02:00")', '2026-10-01T12:00:00.000Z'],
    ['timestamp("2026-10-01T06:30:00-0530")', '2026-10-01T12:00:00.000Z'],
  ])('%s keeps all digits: %j', (source, expected) => {
    expect(evaluateExpression(source, {})).toEqual(expected)
  })

  it('need a day that exists, an hour and a zone', () => {
    for (const text of ['2026-10-01', '2026-02-30T00:00:00Z', '2026-10-01T12:00:00', '2026-10-01T25:00:00Z'])
      expect(errorOf(() => evaluateExpression('timestamp(t)', { t: text })).message).toContain(
        'timestamp() needs',
      )
    expect(errorOf(() => evaluateExpression('timestamp("2027-03-01")', {})).message).toContain(
      'write 2027-03-01T00:00:00Z',
    )
  })
})

describe('evaluateExpression', () => {
  it('gives a result that shares nothing with the scope', () => {
    const own = { input: { list: [{ a: 1 }] } }
    const result = evaluateExpression('input.list', own) as { a: number }[]
    expect(result).toEqual([{ a: 1 }])
    expect(result).not.toBe(own.input.list)
    expect(result[0]).not.toBe(own.input.list[0])
  })

  it('keeps a key named __proto__ an ordinary key', () => {
    const input = JSON.parse('{"__proto__": {"admin": true}}') as JsonValue
    const result = evaluateExpression('input', { input })
    expect(JSON.stringify(result)).toBe('{"__proto__":{"admin":true}}')
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
  })

  it.each(['input.constructor', 'input.toString', 'input.hasOwnProperty', 'input.__proto__x'])(
    'does not reach what JavaScript adds to objects: %s',
    (expression) => {
      expect(errorOf(() => evaluateExpression(expression, scope)).code).toBe('UNRESOLVED_REFERENCE')
    },
  )

  it.each<[string, JsonValue]>([
    ['input', { a: 1, constructor: 'x', __proto: null }],
    ['input.a == 1', true],
    ['input.constructor', 'x'],
    ['input["constructor"] == "x"', true],
    ['has(input.constructor) && !has(input.a.b)', true],
    ['"constructor" in input', true],
    ['input.?constructor.orValue("none")', 'x'],
    ['[input].map(one, one.constructor)', ['x']],
    ['[input, {"constructor": "x"}].filter(one, one.constructor == "x").size()', 2],
    ['input == {"a": 1, "constructor": "x", "__proto": null}', true],
    ['size(input)', 3],
    [
      '{"constructor": 1, "__proto__": 2, "prototype": 3}.map(name, name)',
      ['constructor', '__proto__', 'prototype'],
    ],
    ['{input.constructor: 1, "__proto__": {"y": 2}}["__proto__"].y', 2],
  ])('of an object with a field named constructor %s is %j', (source, expected) => {
    const input = { a: 1, constructor: 'x', __proto: null }
    expect(evaluateExpression(source, { input })).toEqual(expected)
    for (const other of [null, true, 7, [], {}, { constructor: null }])
      expect(
        evaluateExpression('[input.of.constructor, input.of]', { input: { of: { constructor: other } } }),
      ).toEqual([other, { constructor: other }])
  })

  it('treats the same names in another order as the same scope', () => {
    expect(evaluateExpression('a - b', { a: 3, b: 1 })).toBe(2)
    expect(evaluateExpression('a - b', { b: 1, a: 3 })).toBe(2)
  })

  it('gives the same answer when an expression with loops is evaluated again on other data', () => {
    const expression = 'input.filter(i, i > 1).map(i, i * 2)'
    expect(evaluateExpression(expression, { input: [1, 2, 3] })).toEqual([4, 6])
    expect(evaluateExpression(expression, { input: [5] })).toEqual([10])
    expect(evaluateExpression(expression, { input: [] })).toEqual([])
  })

  it('answers right after more expressions than the cache holds', () => {
    for (let i = 0; i < 1_500; i++) expect(evaluateExpression(`input + ${i}`, { input: 1 })).toBe(i + 1)
    expect(evaluateExpression('input + 7', { input: 2 })).toBe(9)
  })
})

describe('errors of evaluateExpression', () => {
  it.each([
    ['inptu.n', 'There is no variable `inptu`; in scope: `input`, `steps`; did you mean `input`?'],
    [
      'steps.invoce.output',
      '`steps` has no `invoce`; in scope: `invoice`, `skipped`; did you mean `invoice`?',
    ],
    ['steps.skipped.output.id', '`steps.skipped.output` is null (as the output of a skipped step is)'],
    ['input.list[2].x', '`input.list` is a list of 2 and has no element `2`'],
    ['input.list[0].y', '`input.list[0]` has no `y`; in scope: `x`, `tags`'],
    ['input.s.length', '`input.s` is a string and has no `length`'],
    ['input.list.map(i, i.y)', 'No such key: y (`i.y`)'],
  ])('names what does not exist and what does: %s', (expression, message) => {
    expect(errorOf(() => evaluateExpression(expression, scope))).toEqual({
      code: 'UNRESOLVED_REFERENCE',
      message: expect.stringContaining(message),
    })
  })

  it('lists a bounded number of names and no values', () => {
    const input = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`key${i}`, 'secret']))
    const { message } = errorOf(() => evaluateExpression('input.q', { input }))
    expect(message).toContain('and 488 more')
    expect(message).not.toContain('secret')
    expect(message.length).toBeLessThan(400)
  })

  it.each([
    ['1 + ', 'It ends where a value is missing at character 5'],
    ['1 + )', '`)` cannot stand here at character 5'],
    ['* 2', 'An operator cannot stand here at character 1'],
    ['input.in', '`in` is a word of the language; after a dot stands a name: write `["in"]` without the dot'],
    ['input.true', '`true` and `false` are values'],
    ['input.0', 'elements of a list are named such as `[0]`'],
    ['input.', 'A name is missing after the dot'],
    ['(1', 'Expected `)`, found the end'],
    ['input.s.matches("^(a+)+$")', 'use contains(), startsWith(), endsWith()'],
    ['timestamp(input.at).getHours("Europe/Berlin")', 'UTC only'],
    ['join_(1)', "no matching overload for 'join(int)'"],
    ['x'.repeat(5_000), 'longer than 4096'],
    [Array(1_500).fill('1').join('+'), 'maxAstNodes'],
    ['-'.repeat(4_000), 'INVALID'],
  ])('refuses %s before evaluating it', (expression, message) => {
    const error = errorOf(() => evaluateExpression(expression, scope))
    expect(error.code).toBe('INVALID_EXPRESSION')
    if (message !== 'INVALID') expect(error.message).toContain(message)
  })
})

describe('work and size', () => {
  const list = Array.from({ length: 2_000 }, (_, i) => i)

  it('stops loops within loops', () => {
    const expression = 'input.map(a, input.map(b, input.map(c, a + b + c)))'
    expect(errorOf(() => evaluateExpression(expression, { input: list }))).toEqual({
      code: 'EXPRESSION_FAILED',
      message: expect.stringContaining('more than 100000 steps'),
    })
  })

  it('stops them even where the result would not matter', () => {
    const startMs = performance.now()
    evaluateExpression('input.all(a, input.all(b, input.all(c, c >= 0))) || true', { input: list })
    // Eight thousand million steps take hours.
    expect(performance.now() - startMs).toBeLessThan(30_000)
  })

  it.each([
    ['texts', `["aaaaaaaaaa"]${'.map(a, a + a)'.repeat(40)}[0]`],
    ['lists', `[[1, 2, 3]]${'.map(a, a + a)'.repeat(40)}[0]`],
    ['joins', `input.map(a, ${JSON.stringify('a'.repeat(3_000))}).join(",")`],
    ['long texts of durations', 'duration(text)'],
  ])('bounds %s', (_, expression) => {
    const error = errorOf(() => evaluateExpression(expression, { input: list, text: '1'.repeat(100_000) }))
    expect(error.code).toBe('EXPRESSION_FAILED')
  })

  const many = Array.from({ length: 3_000 }, (_, index) => index)
  const bulky = {
    many,
    copy: [...many],
    words: many.map(() => 'aaaaaaab'),
    text: 'a'.repeat(400_000),
    accents: 'é'.repeat(400_000),
    dict: Object.fromEntries(Array.from({ length: 30_000 }, (_, index) => [`k${index}`, index])),
    texts: Array.from({ length: 20_000 }, () => 'abc'),
    long: `b${'a'.repeat(50_000)}`,
  }

  it.each([
    'words.exists(w, text.contains(w))',
    'words.exists(w, text.indexOf(w) > 0)',
    'words.exists(w, text.lastIndexOf(w) > 0)',
    'many.all(n, text.startsWith(text) && text.endsWith(text))',
    'words.exists(w, text.split(w).size() == 0)',
    'many.exists(n, text.upperAscii() == "")',
    'many.exists(n, accents.size() == 0)',
    'many.exists(n, size(accents) == 0)',
    'many.exists(n, text == accents || text + "" != text)',
    'many.exists(n, text < text)',
    'many.exists(n, (text + "b").size() == 0)',
    'many.exists(n, -1.5 in many)',
    'many.exists(n, [many, n] == [copy, -1.0])',
    'many.exists(n, dict.size() == 0)',
    'many.exists(n, dict.exists(k, true) == false)',
    'many.exists(n, texts.join(",") == "")',
    'many.exists(n, (texts + texts).size() == 0)',
    'text.contains(long)',
    `many.exists(n, ${Array.from({ length: 150 }, () => 'n < 0.0').join(' || ')})`,
    // What ends the work is not forgotten like other errors of a part.
    'words.exists(w, text.contains(w)) || true',
  ])('counts what it looks at: %s', (expression) => {
    const error = errorOf(() => evaluateExpression(expression, bulky))
    expect(error.code).toBe('EXPRESSION_TOO_COSTLY')
    expect(error.message).toContain(`in \`${expression.slice(0, 20)}`)
  })

  it.each([
    ['words.exists(w, w == "none")', false],
    ['text.contains("b")', false],
    ['many.filter(n, n in [7.0, 8.0]).size()', 2],
    ['dict.k7 + double(dict.size())', 30_007],
    ['texts.join("").size()', 60_000],
    ['many == many.map(n, n)', true],
  ])('is enough for %s', (expression, result) => {
    expect(evaluateExpression(expression, bulky)).toBe(result)
  })

  it('counts the same each time, whatever is in a cache', () => {
    const spent = (expression: string): number => {
      const allowance = { left: 1e9 }
      withAllowance(allowance, () => evaluateExpression(expression, bulky))
      return 1e9 - allowance.left
    }
    for (const expression of ['text.contains("b")', 'many.all(n, n >= 0.0)', '{"a": dict}.a == dict']) {
      const first = spent(expression)
      expect([spent(expression), spent(expression)]).toEqual([first, first])
    }
    expect(spent('text.contains("b")')).toBe(2_000_710)
  })

  it('refuses results over 4 MB and results nested without end', () => {
    let nested: JsonValue = 1
    for (let i = 0; i < 100_000; i++) nested = [nested]
    const large = { input: list, text: 'a'.repeat(10_000), nested }
    expect(errorOf(() => evaluateExpression('input.map(a, text)', large)).code).toBe('VALUE_TOO_LARGE')
    expect(errorOf(() => evaluateExpression('nested', large)).code).toBe('VALUE_TOO_LARGE')
    expect(evaluateExpression('nested == nested && size(nested) == 1', large)).toBe(true)
  })

  it('does not keep memory for every shape of data it has seen', () => {
    const heapBefore = process.memoryUsage().heapUsed
    for (let shape = 0; shape < 20; shape++) {
      let nested: JsonValue = 1
      for (let i = 0; i < 3_000; i++) nested = (shape >> (i % 5)) & 1 ? [nested] : { a: nested }
      expect(evaluateExpression('size(nested) > 0', { nested })).toBe(true)
    }
    // Without the bound on the names of types this keeps over a gigabyte.
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(100_000_000)
  })
})

describe('checkExpression', () => {
  it('gives the references of a valid expression', () => {
    expect(checkExpression('steps.a.output[0].id + item.q', ['steps', 'item'])).toEqual({
      ok: true,
      references: [
        ['steps', 'a', 'output', '0', 'id'],
        ['item', 'q'],
      ],
      optional: [],
      type: 'dyn',
    })
  })

  it.each([
    ['inptu.n + 1', { start: 0, end: 5 }, 'did you mean `input`?'],
    ['1 +* 2', { start: 3, end: 4 }, 'An operator cannot stand here'],
    ['input.n + "abc', { start: 10, end: 14 }, 'Unterminated string'],
    ['true && input.s.matches("a")', { start: 8, end: 28 }, 'matches() is not available'],
    ['input.list.map(i, j)', { start: 18, end: 19 }, 'There is no variable `j`'],
  ])('says where %s is wrong', (expression, position, message) => {
    expect(checkExpression(expression, ['input'])).toEqual({
      ok: false,
      message: expect.stringContaining(message),
      position,
    })
  })

  it('knows exactly the variables that the caller names', () => {
    expect(checkExpression('requester.id == item.owner', ['requester', 'item']).ok).toBe(true)
    expect(checkExpression('requester.id == item.owner', ['requester']).ok).toBe(false)
    expect(checkExpression('1 < 2', [])).toEqual({ ok: true, references: [], optional: [], type: 'bool' })
  })
})

describe('referencesOf', () => {
  it.each([
    ['input', [['input']]],
    ['steps.invoice.output.id', [['steps', 'invoice', 'output', 'id']]],
    ['steps["send mail"].output', [['steps', 'send mail', 'output']]],
    [
      'steps.a.output[input.k].z',
      [
        ['steps', 'a', 'output'],
        ['input', 'k'],
      ],
    ],
    ['steps[input.k].output', [['steps'], ['input', 'k']]],
    ['steps.?a.output.orValue(item)', [['steps', 'a', 'output'], ['item']]],
    ['has(steps.a.output)', [['steps', 'a', 'output']]],
    [
      'input.name.contains(event.q)',
      [
        ['input', 'name'],
        ['event', 'q'],
      ],
    ],
    [
      'input.list.map(i, i.x + run.id)',
      [
        ['input', 'list'],
        ['run', 'id'],
      ],
    ],
    [
      'input.list.exists(input, input.x) || input.y',
      [
        ['input', 'list'],
        ['input', 'y'],
      ],
    ],
    [
      'cel.bind(x, input.a, x.b + input.c)',
      [
        ['input', 'a'],
        ['input', 'c'],
      ],
    ],
    ['cel.bind(input, input.a, input.b)', [['input', 'a']]],
    ['type(input.a) == int && optional.of(1).hasValue()', [['input', 'a']]],
    [
      'input.a ? [input.b] : {"k": -input.c, input.d: !input.e}',
      ['a', 'b', 'c', 'd', 'e'].map((k) => ['input', k]),
    ],
    ['input.a + input.a', [['input', 'a']]],
    ['input.list.map(i, i).foo[0]', [['input', 'list']]],
  ])('finds the paths of %s', (expression, references) => {
    expect(referencesOf(expression)).toEqual(references)
  })

  it('throws for bad syntax', () => {
    expect(errorOf(() => referencesOf('input.'))).toMatchObject({ code: 'INVALID_EXPRESSION' })
  })
})

describe('numbers that would lose digits', () => {
  it.each<[string, Scope]>([
    ['x + 2', { x: 9007199254740991 }],
    ['x + y', { x: 9007199254740991, y: 3 }],
    ['x * 10.0', { x: 9007199254740991 }],
    ['-9007199254740993 - x', { x: 1 }],
    ['9007199254740993 - x', { x: 9007199254740992 }],
    ['9007199254740993', {}],
    ['[9007199254740992 + 1]', {}],
    ['double(x)', { x: 'NaN' }],
    ['double(x) > 1.0', { x: 'Infinity' }],
    ['double("-Infinity")', {}],
  ])('are an error: %s', (source, scope) => {
    expect(() => evaluateExpression(source, scope)).toThrow(
      expect.objectContaining({ code: 'EXPRESSION_FAILED' }),
    )
  })

  it.each(['9007199254740993.0', '0.1000000000000000055', 'x == 1234567890123456.78'])(
    'are refused where an author writes them: %s',
    (source) => expect(checkExpression(source, ['x'])).toMatchObject({ ok: false }),
  )

  it.each<[string, Scope, unknown]>([
    ['x + 1', { x: 9007199254740990 }, 9007199254740991],
    ['x / 7', { x: 1e21 }, 1e21 / 7],
    ['x', { x: 1e21 }, 1e21],
    ['x == 9007199254740993', { x: 9007199254740992 }, false],
    ['0.1 + 0.2', {}, 0.1 + 0.2],
    ['double("2.5")', {}, 2.5],
    ['string(9007199254740993)', {}, '9007199254740993'],
  ])('are not these: %s', (source, scope, expected) => {
    expect(evaluateExpression(source, scope)).toBe(expected)
  })
})

describe('json()', () => {
  const text = (json: string): Scope => ({ result: { text: json } })

  it('reads JSON that a tool gives as text', () => {
    expect(evaluateExpression('json(result.text)', text('{"rows": [{"id": 7, "at": null}]}'))).toEqual({
      rows: [{ id: 7, at: null }],
    })
    expect(evaluateExpression('json(result.text).rows[0].id == 7', text('{"rows": [{"id": 7}]}'))).toBe(true)
    expect(
      evaluateExpression('json(result.text).exists(row, row.id == 2)', text('[{"id": 1}, {"id": 2}]')),
    ).toBe(true)
    expect(evaluateExpression('json(result.text)', text('"a text"'))).toBe('a text')
  })

  it.each([
    ['done', 'json() needs a text that is JSON'],
    ['', 'json() needs a text that is JSON'],
    ['{"id": 9007199254740993}', 'id is a number that cannot be kept exactly'],
    ['{"to": 1, "to": 2}', 'to stands here twice'],
    [`${'['.repeat(300)}${']'.repeat(300)}`, 'nested deeper than 200 levels'],
  ])('fails for %s', (json, message) => {
    const error = errorOf(() => evaluateExpression('json(result.text)', text(json)))
    expect(error.code).toBe('EXPRESSION_FAILED')
    expect(error.message).toContain(message)
  })

  it('costs by the length of its text', () => {
    const long = `[${'1,'.repeat(1_000_000)}1]`
    expect(errorOf(() => evaluateExpression('json(result.text)', text(long))).code).toBe(
      'EXPRESSION_TOO_COSTLY',
    )
  })
})
