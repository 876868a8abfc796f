/** Words that other products have for what people want, and what is written here instead: for hints. */

const FOR_EACH = 'Write `for_each: { items: …, steps: [ … ] }`: it goes through a list.'
const NO_HTTP =
  'There is no step for HTTP: call a tool of an MCP server with `tool_call`, and let such a server ask the address.'
const NO_CLOCK =
  'Nothing here is started by the clock: let cron, or a Temporal Schedule, send `countersign run` or the call of the API.'
const CHOOSE = 'Write `choose: { branches: [{ when: …, steps: [ … ] }] }`, or `if` on a step.'
const SLEEP = 'Write `sleep: { for: 5m }` or `sleep: { until: … }`.'
const CODE = 'Write `code: { source: … }`, with JavaScript.'
const APPROVAL = 'What waits for whom is said by a policy, not by a step. `ask` asks people a question.'
const TOOL_CALL = 'Write `tool_call: { connection: …, tool: …, arguments: { … } }`.'
const WRITEBACK = 'Write `writeback: { connection: …, update: { … } }`: it changes one row of a database.'
const SUB_RUN = 'Write `run_automation: { automation: …, input: { … } }`.'
const IN_ORDER = 'Steps run in the order in which they stand; `parallel` has branches side by side.'
const ARGUMENTS = 'Write `arguments: { … }`.'
const HEAD = 'A manifest starts with `kind`, `name` and `spec`.'
const SECRETS = 'Secrets are named in connections, as `${secret:NAME}`; other values come as input of a run.'

/** Without blanks, dashes and underscores. */
const KEYS: Readonly<Record<string, string>> = {
  ...same(['foreach', 'loop', 'map', 'iterate', 'withitems', 'while', 'repeat'], FOR_EACH),
  ...same(['http', 'httprequest', 'request', 'fetch', 'rest', 'api', 'webhook', 'url'], NO_HTTP),
  ...same(['schedule', 'cron', 'interval', 'every'], NO_CLOCK),
  ...same(['switch', 'case', 'condition', 'conditions', 'else', 'then'], CHOOSE),
  ...same(['wait', 'delay', 'pause', 'timer'], SLEEP),
  ...same(['script', 'javascript', 'js', 'python', 'shell', 'bash', 'exec', 'run', 'function'], CODE),
  ...same(['approval', 'approve', 'approvals', 'human', 'manual', 'confirm', 'review'], APPROVAL),
  ...same(['mcp', 'call', 'invoke', 'action', 'uses', 'tool', 'use'], TOOL_CALL),
  ...same(['sql', 'query', 'db', 'database', 'update', 'insert', 'write', 'upsert'], WRITEBACK),
  ...same(['workflow', 'subworkflow', 'automation', 'subautomation', 'childworkflow'], SUB_RUN),
  ...same(['needs', 'dependson', 'after', 'next'], IN_ORDER),
  ...same(['with', 'args', 'params', 'parameters', 'inputs', 'body'], ARGUMENTS),
  ...same(['apiversion', 'metadata', 'jobs'], HEAD),
  ...same(['env', 'environment', 'vars', 'variables', 'secrets'], SECRETS),
  ...same(['id', 'title'], 'Write `name`.'),
  ...same(['when', 'unless', 'only'], 'Write `if`, with an expression.'),
  ...same(['retries', 'retrypolicy', 'attempts'], 'Write `retry: { max_attempts: 3 }`.'),
  ...same(['catch', 'onfailure', 'rescue', 'continueonerror'], 'Write `on_error: continue`.'),
  ...same(['throw', 'error', 'stop', 'exit', 'raise'], 'Write `fail: { code: …, message: … }`.'),
  ...same(['output', 'outputs', 'result'], 'Write a step with `return`.'),
}

const DATABASES = 'Of databases only `postgres` can be connected; another one through an MCP server.'
const TYPES: Readonly<Record<string, string>> = {
  ...same(['schedule', 'cron', 'timer', 'interval'], NO_CLOCK),
  ...same(
    ['webhook', 'http', 'api', 'manual'],
    'Events come in through a connection: `type: event`. Calls of the API need no trigger.',
  ),
  ...same(
    ['sse'],
    'That transport is no longer spoken: write `http`, with the address that usually ends in `/mcp`.',
  ),
  ...same(['streamablehttp', 'httpstream', 'streamable'], 'Write `http`.'),
  ...same(['mysql', 'mariadb', 'sqlite', 'mssql', 'oracle', 'mongodb', 'sql', 'database'], DATABASES),
  ...same(['postgresql', 'pg'], 'Write `postgres`.'),
  ...same(['rest', 'openapi', 'graphql'], 'An API is reached through an MCP server: `type: mcp`.'),
}

/** Of a field that is not there. */
export function keyElsewhere(key: string): string | undefined {
  return said(KEYS, key)
}

/** Of a value that tells one form from the others. */
export function typeElsewhere(word: string): string | undefined {
  return said(TYPES, word)
}

function said(words: Readonly<Record<string, string>>, word: string): string | undefined {
  const plain = word.toLowerCase().replace(/[\s_-]/g, '')
  return Object.hasOwn(words, plain) ? words[plain] : undefined
}

function same(words: readonly string[], text: string): Record<string, string> {
  return Object.fromEntries(words.map((word) => [word, text]))
}
