/** docs/reference/expressions.md, from the environment that evaluates expressions: every result is a real one. */
import {
  CHECK_RESULT_SCOPE,
  CHECK_SCOPE,
  POLICY_SCOPE,
  STEP_VARIABLES,
  TRIGGER_SCOPE,
} from '../../manifests/expressions.ts'
import { environmentFor, REPLACED_FUNCTIONS, REPLACED_METHODS } from '../../lib/cel-environment.ts'
import { checkExpression, evaluateExpression } from '../../lib/cel.ts'
import { resolveTemplates } from '../../lib/templates.ts'
import { CodedError } from '../../schemas/errors.ts'
import {
  ABSENT,
  EXAMPLE_SCOPE,
  FUNCTION_EXAMPLES,
  NOT_OFFERED,
  OPERATOR_EXAMPLES,
  REFUSED,
  TEMPLATE_EXAMPLES,
} from './expression-examples.ts'
import { code, fence, madeFrom, page, table } from './markdown.ts'

export function renderExpressions(): string {
  return page(
    madeFrom('the environment that evaluates expressions (`lib/cel.ts`)'),
    '# Expressions',
    INTRODUCTION,
    '## Where they stand, and what they can name',
    table(['where', 'form', 'names'], PLACES),
    NAMES,
    '## Templates',
    TEMPLATES,
    table(
      ['text', 'gives'],
      TEMPLATE_EXAMPLES.map((text) => [code(text), templateResult(text)]),
    ),
    '## The examples below',
    'are evaluated with this scope:',
    fence('json', JSON.stringify(EXAMPLE_SCOPE, null, 2)),
    '## Types',
    TYPES,
    '## Operators',
    table(
      ['operators', 'example', 'gives'],
      OPERATOR_EXAMPLES.map(([name, source]) => [name, code(source), result(source)]),
    ),
    '## Functions',
    'A type in front of the dot is what the function is called on. `expression` is evaluated for each element, with the name before it bound to the element.',
    table(['function', 'example', 'gives'], functionRows()),
    '## What is not there, and why',
    table(['', 'why'], ABSENT),
    table(
      ['expression', 'refused with'],
      REFUSED.map((source) => [code(source), refusalOf(source)]),
    ),
    LIMITS_TEXT,
  )
}

const list = (names: readonly string[]) => names.map(code).join(', ')

const PLACES = [
  ['`if`, `when` of a branch, `items`, `until` of a step', 'plain', list(STEP_VARIABLES)],
  ['the same inside of `for_each`', 'plain', `${list(STEP_VARIABLES)}, \`item\`, \`index\``],
  [
    'texts in `arguments`, `key`, `guard`, `set`, `input` of a step, `return`, `message`',
    '`${{ … }}`',
    'the same',
  ],
  ['`filter`, `dedupe` of a trigger', 'plain', list(TRIGGER_SCOPE.variables)],
  ['texts in `input` of a trigger', '`${{ … }}`', list(TRIGGER_SCOPE.variables)],
  ['`when` of a policy rule', 'plain', list(POLICY_SCOPE.variables)],
  ['texts in `check.arguments` of a tool', '`${{ … }}`', list(CHECK_SCOPE.variables)],
  ['`check.applied_if` of a tool', 'plain', list(CHECK_RESULT_SCOPE.variables)],
]

const INTRODUCTION = `Expressions are [CEL](https://cel.dev): no statements, no loops without end, no effects. The same expression with the same
values gives the same result on every machine and in every time zone, for Temporal replays it. They are checked when the
manifest is saved: syntax, types as far as the text shows them, and every name.`

const NAMES = `- \`input\`: the input of the run.
- \`steps.<name>\`: a step that has ended, before this one: \`output\`, \`status\` (\`completed\`, \`failed\`, \`skipped\`), \`error\` (null, or
  \`code\` and \`message\`), \`writeback\` (null, or what became of the write). The output of a skipped step is null.
- \`run\`: \`id\`, \`organization\`, \`automation\`, \`revision\`.
- \`item\`, \`index\` (from 0): of the nearest loop.
- \`event\`: \`type\` and \`data\` of what came in.
- In a policy: \`arguments\` of a tool call; \`patch\`, what would be written (for a tool its arguments, for a database the columns of
  \`set\`); \`target\` (for a database \`table\` and \`key\`); \`requester\` (\`principal\`, \`kind\`, \`onBehalfOf\`).
- In the check of a tool: \`arguments\` and \`key\` of the write, \`result\` of the reading.`

const TEMPLATES = `A text that is exactly one \`\${{ … }}\` becomes the result, with its type. Anything else interpolates: texts as they are, numbers
and booleans as JSON writes them, lists and objects as JSON; null is refused, because a hole in a text is nearly always a
mistake. \`$\${{\` stands for \`\${{\`. Keys of objects are left alone.`

const TYPES = `JSON goes in and JSON comes out. A number of JSON is a \`double\`, a whole number in an expression an \`int\`; they mix in
arithmetic and comparison, as below. Texts are \`string\`, lists \`list\`, objects \`map\`. \`timestamp\` and \`duration\` exist inside of an
expression and leave it as texts (\`2026-03-08T09:30:00.000Z\`, \`5400s\`). Optional values come from \`.?\` and \`[?…]\`.

Texts are counted in characters (code points), by every function: \`"a👍b".indexOf("b")\` is 2, and no cut leaves half of a
character. A \`timestamp\` keeps up to nine decimals of its seconds, and \`timestamp()\` also takes the spelling of PostgreSQL
(\`2026-03-08 09:30:00.123456+00\`). Fields may have any name: \`input["constructor"]\` is what the object has under it.

A whole number beyond 2^53 is not exact in a double, so a calculation that leads there is an error; as a text it can be carried
and compared, and with \`int()\` calculated with. \`double()\` of a text that is no finite number is an error. Values of different
kinds are not equal (\`"9" == 9\` is false); in policies and in \`applied_if\` they cannot be compared at all.`

const LIMITS_TEXT = `An expression has at most 4,000 characters and 1,000 nodes; one evaluation at most 100,000 turns of all its loops; a text or
a result at most 4 MB.

What an expression looks at is counted: the characters of a text that is searched or compared, the items of a list, the names
of an object, each time. \`contains\` costs five units per character, about as much as 50 ms of one processor is all that one
expression has, and all expressions of one value (the arguments of a call, the input of a trigger) share it. So searching a
text of 100 KB for a hundred words is fine, and one of 1 MB is not: \`EXPRESSION_TOO_COSTLY\`. All triggers of an event, and all
expressions of a run, have four times as much together. A \`code\` step has time of its own.`

/** Throws if the environment has a function without an example, or an example is for none. */
function functionRows(): string[][] {
  const signatures = signaturesByName()
  const unknown = Object.keys(FUNCTION_EXAMPLES).filter((name) => !signatures.has(name))
  if (unknown.length > 0)
    throw new Error(`there are examples for functions that are not there: ${unknown.join(', ')}`)
  return [...signatures].map(([name, texts]) => {
    const example = FUNCTION_EXAMPLES[name]
    if (example === undefined) throw new Error(`expression-examples.ts has no example for ${name}`)
    return [[...texts].map(code).join(', '), code(example), result(example)]
  })
}

function signaturesByName(): Map<string, Set<string>> {
  const replacements = new Map([...REPLACED_FUNCTIONS, ...REPLACED_METHODS].map(([old, name]) => [name, old]))
  const replaced = new Set(replacements.values())
  const found = new Map<string, Set<string>>()
  for (const { name, signature, receiverType, params } of environmentFor([]).environment.getDefinitions()
    .functions) {
    const isHidden = replaced.has(name) || NOT_OFFERED.some((pattern) => pattern.test(signature))
    const isZoned = receiverType?.endsWith('Timestamp') && params.length > 0
    if (isHidden || isZoned) continue
    const written = replacements.get(name) ?? name
    const texts = found.get(written) ?? new Set()
    found.set(written, texts.add(readable(signature.replace(name, written), written)))
  }
  return found
}

/** The types as people call them; what the macros take are names and expressions. */
function readable(signature: string, name: string): string {
  const plain = signature
    .replaceAll('google.protobuf.Timestamp', 'timestamp')
    .replaceAll('google.protobuf.Duration', 'duration')
    .replaceAll('map<dyn, dyn>', 'map')
    .replaceAll('list<dyn>', 'list')
    .replaceAll('optional<dyn>', 'optional')
    .replace('OptionalNamespace', 'optional')
    .replace('CelNamespace', 'cel')
    .replace(/\bdyn\b(?!\()/g, 'any')
  if (name === 'has') return 'has(path): bool'
  if (name === 'bind') return 'cel.bind(name, any, expression): any'
  return plain.replace('(ast', name.startsWith('or') ? '(any' : '(name').replace(/\bast\b/g, 'expression')
}

function result(source: string): string {
  return code(JSON.stringify(evaluateExpression(source, EXAMPLE_SCOPE)))
}

function templateResult(text: string): string {
  try {
    return code(JSON.stringify(resolveTemplates(text, EXAMPLE_SCOPE)))
  } catch (error) {
    return refusal(error)
  }
}

function refusalOf(source: string): string {
  const checked = checkExpression(source, Object.keys(EXAMPLE_SCOPE))
  if (!checked.ok) return checked.message
  try {
    evaluateExpression(source, EXAMPLE_SCOPE)
  } catch (error) {
    return refusal(error)
  }
  throw new Error(`${source} is not refused`)
}

function refusal(error: unknown): string {
  if (!(error instanceof CodedError)) throw error
  return `${code(error.code)}: ${error.message}`
}
