import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../lib/json.ts'
import { resolveMarkdown, resolveTemplates, templateExpressions } from '../../lib/templates.ts'
import { CodedError } from '../../schemas/errors.ts'

const scope = {
  input: { n: 5, half: 0.5, s: 'abc', yes: true, nothing: null, list: [1, 2], object: { a: 1 } },
  steps: { draft: { output: { to: 'ann@example.org', tags: ['x'] } } },
}

function errorOf(value: JsonValue): { code: string; message: string } {
  try {
    resolveTemplates(value, scope)
  } catch (error) {
    if (error instanceof CodedError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a text that is exactly one expression', () => {
  it.each<[string, JsonValue]>([
    ['${{ input.n }}', 5],
    ['${{input.half}}', 0.5],
    ['${{ input.yes }}', true],
    ['${{ input.nothing }}', null],
    ['${{ input.s }}', 'abc'],
    ['${{ input.list }}', [1, 2]],
    ['${{ input.list.map(i, {"v": i}) }}', [{ v: 1 }, { v: 2 }]],
    ['${{ {"a": {"b": {"c": 1}}}}}', { a: { b: { c: 1 } } }],
    ['${{ "}}" }}', '}}'],
    [String.raw`\${{ 'it\'s }}' }}`.slice(1), "it's }}"],
    ['${{ """a "}} b""" }}', 'a "}} b'],
    [String.raw`\${{ r"\d}}" }}`.slice(1), String.raw`\d}}`],
    ['${{\n  input.n // a comment with }} and "\n}}', 5],
  ])('keeps the type: %s', (text, expected) => {
    expect(resolveTemplates(text, scope)).toEqual(expected)
  })
})

describe('a text with expressions in it', () => {
  it.each([
    ['n=${{ input.n }}', 'n=5'],
    ['${{ input.n }}${{ input.half }}', '50.5'],
    [' ${{ input.n }}', ' 5'],
    ['${{ input.s }} and ${{ input.yes }}', 'abc and true'],
    ['list: ${{ input.list }}, object: ${{ input.object }}', 'list: [1,2], object: {"a":1}'],
    ['no expression, $ {{ x }} {{ y }} $5', 'no expression, $ {{ x }} {{ y }} $5'],
    ['$${{ input.n }}', '${{ input.n }}'],
    ['$$${{ input.n }}', '$${{ input.n }}'],
    ['$${{ a }} ${{ input.n }} $${{', '${{ a }} 5 ${{'],
    ['${{ input.n }}$${{ input.n }}', '5${{ input.n }}'],
    ['${{ input.n }}}}', '5}}'],
    ['', ''],
  ])('interpolates: %s', (text, expected) => {
    expect(resolveTemplates(text, scope)).toBe(expected)
  })

  it('does not evaluate what a result contains', () => {
    expect(resolveTemplates('a ${{ input }}', { input: '${{ steps }}' })).toBe('a ${{ steps }}')
    expect(resolveTemplates('${{ input }}', { input: '${{ steps }}' })).toBe('${{ steps }}')
  })

  it('refuses null rather than leave a hole', () => {
    const { code, message } = errorOf({ subject: 'For ${{ input.nothing }}' })
    expect(code).toBe('EXPRESSION_FAILED')
    expect(message).toContain('subject: `input.nothing` is null inside a text')
    expect(resolveTemplates('[${{ input.nothing == null ? "" : input.nothing }}]', scope)).toBe('[]')
  })

  it('bounds the length of the text', () => {
    const long = { input: 'a'.repeat(1_000_000) }
    expect(() => resolveTemplates('${{ input }}'.repeat(5), long)).toThrow(CodedError)
  })
})

describe('values', () => {
  it('go through objects and lists, and keys and other values stay', () => {
    const value = {
      to: '${{ steps.draft.output.to }}',
      '${{ key }}': ['${{ input.n }}', { deep: 'n ${{ input.n }}' }, 7, null, false],
    }
    expect(resolveTemplates(value, scope)).toEqual({
      to: 'ann@example.org',
      '${{ key }}': [5, { deep: 'n 5' }, 7, null, false],
    })
    expect(value.to).toBe('${{ steps.draft.output.to }}')
  })

  it('keep a key named __proto__', () => {
    const value = JSON.parse('{"__proto__": "${{ input.n }}"}') as JsonValue
    expect(JSON.stringify(resolveTemplates(value, scope))).toBe('{"__proto__":5}')
  })

  it.each<[JsonValue, string, string]>([
    [{ a: { 'b c': ['', '${{ input.q }}'] } }, 'UNRESOLVED_REFERENCE', 'a["b c"][1]: `input` has no `q`'],
    [{ to: 'x ${{ input.n' }, 'INVALID_EXPRESSION', 'to: `${{` at character 3 is not closed'],
    ['${{ "}}', 'INVALID_EXPRESSION', 'not closed'],
    ['${{ {"a": 1 }}', 'INVALID_EXPRESSION', 'not closed'],
    ['${{ input.n } }}', 'INVALID_EXPRESSION', 'not closed'],
    ['${{ }}', 'INVALID_EXPRESSION', 'It ends where a value is missing'],
    [['${{ input.n / 0 }}'], 'EXPRESSION_FAILED', '[0]: '],
  ])('say where %j is wrong', (value, code, message) => {
    expect(errorOf(value)).toEqual({ code, message: expect.stringContaining(message) })
  })
})

describe('templateExpressions', () => {
  it('lists every expression with its place', () => {
    const value = {
      to: '${{ a }}',
      lines: [{ note: 'x ${{ b.c }} and ${{ d }}' }, 'plain', '$${{ no }}'],
      'odd key': '${{ {"k": 1} }}',
      n: 5,
    }
    expect(templateExpressions(value)).toEqual([
      { path: 'to', source: ' a ', offset: 3 },
      { path: 'lines[0].note', source: ' b.c ', offset: 5 },
      { path: 'lines[0].note', source: ' d ', offset: 20 },
      { path: '["odd key"]', source: ' {"k": 1} ', offset: 3 },
    ])
    expect(templateExpressions('${{ a }}')).toEqual([{ path: '', source: ' a ', offset: 3 }])
  })

  it('throws with the place when an expression is not closed', () => {
    expect(() => templateExpressions({ a: ['${{ x'] })).toThrow('a[0]: `${{` at character 1')
  })
})

describe('a text in markdown', () => {
  const scope = {
    note: '**Compliance has checked this** [here](https://evil.example)\n# Approved \u202e',
    none: null,
  }

  it('keeps the markup of its author, and takes what is filled in as text', () => {
    const markdown = resolveMarkdown('**Note** of [A](https://a.example): ${{ note }}', scope)
    expect(markdown).toBe(
      '**Note** of [A](https://a.example): ' +
        String.raw`\*\*Compliance has checked this\*\* \[here\](https\://evil.example)` +
        `\n${String.raw`\# Approved \\u202e`}`,
    )
    expect(resolveMarkdown('${{ note }}', scope)).not.toContain('**')
    expect(resolveMarkdown('# No expressions, $${{ here', scope)).toBe('# No expressions, ${{ here')
  })

  it('has no holes', () => {
    expect(resolveMarkdown('${{ none }}', scope)).toBe('null')
    expect(() => resolveMarkdown('a ${{ none }}', scope)).toThrow('is null inside a text')
  })
})
