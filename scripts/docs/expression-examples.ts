/** One example for everything that an expression can use; what the page shows as its result is evaluated. */
import type { JsonObject } from '../../lib/json.ts'

export const EXAMPLE_SCOPE: JsonObject = {
  input: { invoice_id: 'INV-7', limit: 100, note: '  late  ', at: '2026-03-08T09:30:00Z' },
  steps: {
    invoice: {
      status: 'completed',
      output: {
        total: 129.5,
        tags: ['late', 'eur'],
        lines: [
          { sku: 'A', count: 2 },
          { sku: 'B', count: 1 },
        ],
      },
    },
    skipped: { status: 'skipped', output: null },
  },
}

export const TEMPLATE_EXAMPLES = [
  '${{ steps.invoice.output.total }}',
  '${{ steps.invoice.output.lines }}',
  'Invoice ${{ input.invoice_id }}: ${{ steps.invoice.output.total }}',
  'tags ${{ steps.invoice.output.tags }}',
  'a skipped one: ${{ steps.skipped.output == null ? "none" : steps.skipped.output }}',
  'a skipped one: ${{ steps.skipped.output }}',
  'write $${{ x }} for a template',
]

export const OPERATOR_EXAMPLES: readonly (readonly [string, string])[] = [
  ['`+` `-` `*` `/` `%` on numbers', 'steps.invoice.output.total * 2 - 1'],
  ['of two whole numbers in the text, `/` is whole', '7 / 2'],
  ['`+` joins texts and lists', '"no. " + input.invoice_id'],
  ['`==` `!=`', 'input.limit == 100'],
  ['`<` `<=` `>` `>=`', 'steps.invoice.output.total > input.limit'],
  ['`&&` `||` `!`', 'input.limit > 0 && !(input.invoice_id == "")'],
  ['`? :`', 'input.limit > 100 ? "high" : "low"'],
  ['`in`', '"late" in steps.invoice.output.tags'],
  ['`.name`, `["name"]`, `[0]`', 'steps.invoice.output.lines[0]["sku"]'],
  ['`.?name`, with `orValue`', 'steps.invoice.output.?discount.orValue(0)'],
  ['lists and maps', '{"id": input.invoice_id, "all": [1, "two", null]}'],
]

export const FUNCTION_EXAMPLES: Record<string, string> = {
  dyn: 'dyn(1)',
  type: 'type(input.limit) == double',
  bool: 'bool("true")',
  size: 'size(steps.invoice.output.lines)',
  double: 'double("2.5")',
  int: 'int(2.9)',
  uint: 'uint(3)',
  string: 'string(input.limit)',
  json: 'json("[{\\"id\\": 7}]")[0].id',
  startsWith: 'input.invoice_id.startsWith("INV-")',
  endsWith: 'input.invoice_id.endsWith("7")',
  contains: 'input.note.contains("late")',
  lowerAscii: 'input.invoice_id.lowerAscii()',
  upperAscii: '"eur".upperAscii()',
  trim: 'input.note.trim()',
  indexOf: 'input.invoice_id.indexOf("-")',
  lastIndexOf: '"a-b-c".lastIndexOf("-")',
  substring: 'input.invoice_id.substring(4)',
  split: '"a,b".split(",")',
  join: 'steps.invoice.output.tags.join(" + ")',
  timestamp: 'timestamp(input.at) + duration("90m")',
  duration: 'duration("1h30m")',
  getDate: 'timestamp(input.at).getDate()',
  getDayOfMonth: 'timestamp(input.at).getDayOfMonth()',
  getDayOfWeek: 'timestamp(input.at).getDayOfWeek()',
  getDayOfYear: 'timestamp(input.at).getDayOfYear()',
  getFullYear: 'timestamp(input.at).getFullYear()',
  getHours: 'timestamp(input.at).getHours()',
  getMilliseconds: 'timestamp(input.at).getMilliseconds()',
  getMinutes: 'duration("1h30m").getMinutes()',
  getMonth: 'timestamp(input.at).getMonth()',
  getSeconds: 'duration("90s").getSeconds()',
  hasValue: 'input.?limit.hasValue()',
  value: 'optional.of(1).value()',
  none: 'optional.none().hasValue()',
  of: 'optional.of("x").orValue("y")',
  or: 'input.?nothing.or(input.?limit).value()',
  orValue: 'input.?nothing.orValue("none")',
  has: 'has(input.limit)',
  all: 'steps.invoice.output.lines.all(line, line.count > 0)',
  exists: 'steps.invoice.output.lines.exists(line, line.sku == "B")',
  exists_one: 'steps.invoice.output.lines.exists_one(line, line.count == 2)',
  map: 'steps.invoice.output.lines.map(line, line.count > 1, line.sku)',
  filter: 'steps.invoice.output.lines.filter(line, line.count == 1)',
  bind: 'cel.bind(total, steps.invoice.output.total, total + total)',
}

/** Signatures that the library has and that no expression can reach. */
export const NOT_OFFERED = [/bytes/, /\.matches\(/, /Namespace\): type$/]

export const ABSENT = [
  [
    '`matches`, regular expressions',
    'Some patterns take seconds or more on a short text, and a workflow must not hang.',
  ],
  [
    'time zones: `getHours("Europe/Berlin")`',
    'What a zone means depends on the machine and on the year of its data; all parts of a time are those of UTC.',
  ],
  ['the time of day, chance', 'They differ when Temporal replays. Let a tool say, or wait with `sleep`.'],
  ['bytes', 'JSON has none. Use texts.'],
]

export const REFUSED = [
  'input.note.matches("^l.*")',
  'timestamp(input.at).getHours("Europe/Berlin")',
  'bytes("x")',
  'now()',
  'inptu.limit',
  'steps.invoice.output.totl',
  'input.invoice_id + input.limit',
]
