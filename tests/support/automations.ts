/**
 * Small automations for tests: one MCP server (`tools`), one database (`shop`), and for each automation a policy of its
 * own that speaks of nothing else, so that tests do not get in each other's way.
 */
import type { JsonObject } from '../../lib/json.ts'
import { textResult, type TestTool } from './mcp-server.ts'

export const TOOLS = 'tools'
export const SHOP = 'shop'
/** Short, so that an attempt whose answer is lost is over soon. */
export const CALL_TIMEOUT = '2s'

/** `look` reads, `note` writes, and `note_again` is one that the operator says may be sent twice, and
 * does nothing where it answers with an error. */
export function testTools(): TestTool[] {
  return [
    {
      name: 'look',
      inputSchema: INPUT_SCHEMA,
      annotations: { readOnlyHint: true },
      run: ({ about }) => ({ ...textResult('seen'), structuredContent: { about, level: 3 } }),
    },
    writingTool('note'),
    writingTool('note_again'),
  ]
}

const INPUT_SCHEMA = {
  type: 'object' as const,
  properties: { about: { type: 'string' } },
  required: ['about'],
  additionalProperties: false,
}

function writingTool(name: string): TestTool {
  return {
    name,
    inputSchema: INPUT_SCHEMA,
    annotations: { readOnlyHint: false },
    run: ({ about }) => ({ ...textResult('noted'), structuredContent: { noted: about } }),
  }
}

export function connections(options: { toolsUrl: string }): JsonObject[] {
  return [
    {
      kind: 'Connection',
      name: TOOLS,
      spec: {
        type: 'mcp',
        transport: 'http',
        url: options.toolsUrl,
        allow_private_addresses: true,
        trusted: true,
        tools: { note_again: { resend: 'safe', refusals: ['isError'] } },
        timeout: CALL_TIMEOUT,
      },
    },
    {
      kind: 'Connection',
      name: SHOP,
      spec: {
        type: 'postgres',
        url: '${secret:SHOP_DATABASE_URL}',
        scope: { column: 'tenant', value: 'acme' },
        tables: { accounts: { primary_key: ['id'], version: 'version', writable: ['balance'] } },
        timeout: CALL_TIMEOUT,
      },
    },
  ]
}

/** Every change of a row counts in `changes`, so that a second effect shows even if it writes the same value. */
export const SHOP_SQL = `
  create table accounts (
    id text primary key, tenant text not null default 'acme',
    balance integer not null default 100, version integer not null default 1
  );
  create table changes (account text not null, balance integer not null);
  create function note_change() returns trigger language plpgsql as $$
    begin
      new.version := old.version + 1;
      insert into changes values (new.id, new.balance);
      return new;
    end $$;
  create trigger note_change before update on accounts for each row execute function note_change();`

/** Sets the balance of `input.account` to `input.balance`. */
export const CHANGE: JsonObject = {
  name: 'change',
  writeback: {
    connection: SHOP,
    update: {
      table: 'accounts',
      key: { id: '${{ input.account }}' },
      set: { balance: '${{ input.balance }}' },
    },
  },
}

export const NOTE_AGAIN: JsonObject = {
  name: 'note',
  tool_call: { connection: TOOLS, tool: 'note_again', arguments: { about: '${{ input.account }}' } },
}

export const LOOK: JsonObject = {
  name: 'look',
  tool_call: { connection: TOOLS, tool: 'look', arguments: { about: '${{ input.account }}' } },
}

export const NOTE: JsonObject = {
  name: 'note',
  tool_call: { connection: TOOLS, tool: 'note', arguments: { about: '${{ input.account }}' } },
}

export function automation(name: string, steps: JsonObject[]): JsonObject {
  return { kind: 'Automation', name, spec: { steps } }
}

/** `effect`: `{ allow: true }`, `{ deny: true }` or `{ require: … }` for the writes of this automation. */
export function policyFor(name: string, effect: JsonObject): JsonObject {
  const match = { automation: name, class: 'write' }
  return { kind: 'Policy', name, spec: { rules: [{ name: 'writes', match, ...effect }] } }
}

export function needs(stages: JsonObject[], more: JsonObject = {}): JsonObject {
  return { require: { stages, ...more } }
}

export const ONE_LEAD: JsonObject = needs([{ roles: ['lead'] }])

/** One value of 3.5 MB, and writes that are given it: each leaves a receipt of 4.7 MB, more than a page has. */
export function largeWrites(count: number): JsonObject[] {
  const notes = Array.from({ length: count }, (_, index) => ({
    name: `note_${index}`,
    tool_call: { connection: TOOLS, tool: 'note', arguments: { about: '${{ steps.big.output }}' } },
  }))
  return [{ name: 'big', code: { source: `export default () => 'x'.repeat(3_500_000)` } }, ...notes]
}
