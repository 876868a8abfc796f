/** What is done with each server: a reading, a write, and a call that it answers with an error; with what has to come of it. */
import type { JsonObject } from '../../lib/json.ts'

interface Tried {
  tool: string
  arguments: JsonObject
}

export interface Subject {
  name: string
  /** Of the connection, beside its transport. */
  tools: JsonObject
  read: Tried & { says: string }
  write: Tried
  error: Tried & {
    /** What the receipt says, or the code of the failure where nothing was sent. */
    becomes: JsonObject | string
    /** Words of the server. */
    says: string
  }
}

const read = { class: 'read' }

export interface Places {
  folder: string
  repository: string
}

export function subjects({ folder, repository }: Places): Record<string, Omit<Subject, 'name'>> {
  return {
    git: {
      tools: { git_log: read },
      read: { tool: 'git_log', arguments: { repo_path: repository, max_count: 1 }, says: 'the first' },
      write: { tool: 'git_create_branch', arguments: { repo_path: repository, branch_name: 'approved' } },
      error: {
        tool: 'git_checkout',
        arguments: { repo_path: repository, branch_name: 'nowhere' },
        becomes: { status: 'failed', code: 'TOOL_FAILED', mayHaveChanged: true },
        says: 'nowhere',
      },
    },
    // Answers errors as ordinary texts: the receipt says `answered`, with a digest of that word.
    sqlite: {
      tools: { read_query: read, list_tables: read, create_table: { class: 'write' } },
      read: { tool: 'read_query', arguments: { query: 'select 6 * 7 as answer' }, says: "'answer': 42" },
      write: {
        tool: 'create_table',
        arguments: { query: 'create table notes (id integer primary key, note text)' },
      },
      error: {
        tool: 'write_query',
        arguments: { query: 'insert into nowhere values (1)' },
        becomes: { status: 'applied', how: 'answered' },
        says: 'no such table: nowhere',
      },
    },
    filesystem: {
      tools: { read_text_file: read },
      read: { tool: 'read_text_file', arguments: { path: `${folder}/there.txt` }, says: 'it is there' },
      write: { tool: 'write_file', arguments: { path: `${folder}/approved.txt`, content: 'approved' } },
      error: {
        tool: 'write_file',
        arguments: { path: '/etc/countersign-was-here', content: 'no' },
        becomes: { status: 'failed', code: 'TOOL_FAILED', mayHaveChanged: true },
        says: 'outside allowed directories',
      },
    },
    memory: {
      tools: { read_graph: read },
      read: { tool: 'read_graph', arguments: {}, says: 'entities' },
      write: {
        tool: 'create_entities',
        arguments: { entities: [{ name: 'Linden Cycles', entityType: 'customer', observations: ['late'] }] },
      },
      error: {
        tool: 'add_observations',
        arguments: { observations: [{ entityName: 'nobody', contents: ['late'] }] },
        becomes: { status: 'failed', code: 'TOOL_FAILED', mayHaveChanged: true },
        says: 'Entity with name nobody not found',
      },
    },
    everything: {
      tools: { echo: read },
      read: { tool: 'echo', arguments: { message: 'it is there' }, says: 'it is there' },
      write: { tool: 'get-sum', arguments: { a: 1, b: 2 } },
      error: {
        tool: 'get-sum',
        arguments: { a: '${{ input.word }}', b: 2 },
        becomes: 'INVALID_ARGUMENTS',
        says: '/a must be number',
      },
    },
    // Every error of SQL is -32603, of which nobody can tell what was done before it.
    'enhanced-postgres': {
      tools: { query: read },
      read: { tool: 'query', arguments: { sql: 'select 6 * 7 as answer' }, says: '"answer": 42' },
      write: { tool: 'insert', arguments: { table: 'things', data: { id: 1, name: 'enhanced' } } },
      error: {
        tool: 'insert',
        arguments: { table: 'things', data: { id: 1, name: 'again' } },
        becomes: { status: 'unknown', code: 'TOOL_FAILED', how: null },
        says: 'duplicate key value violates unique constraint',
      },
    },
    // A write is done when its transaction is committed: until then its answer is no more than a word.
    'full-access': {
      tools: { execute_query: read },
      read: { tool: 'execute_query', arguments: { sql: 'select 6 * 7 as answer' }, says: '"answer": 42' },
      write: { tool: 'execute_dml_ddl_dcl_tcl', arguments: { sql: "insert into things values (2, 'full')" } },
      error: {
        tool: 'execute_dml_ddl_dcl_tcl',
        arguments: { sql: "insert into things values (1, 'again')" },
        becomes: { status: 'failed', code: 'TOOL_FAILED', mayHaveChanged: true },
        says: 'duplicate key value violates unique constraint',
      },
    },
    dbhub: {
      tools: { search_objects: read },
      read: {
        tool: 'search_objects',
        arguments: { object_type: 'table', pattern: 'things' },
        says: 'things',
      },
      write: { tool: 'execute_sql', arguments: { sql: "insert into things values (3, 'dbhub')" } },
      error: {
        tool: 'execute_sql',
        arguments: { sql: "insert into things values (1, 'again')" },
        becomes: { status: 'failed', code: 'TOOL_FAILED', mayHaveChanged: true },
        says: 'duplicate key value violates unique constraint',
      },
    },
  }
}
