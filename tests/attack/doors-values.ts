/** Doors to values: another spelling of what a policy denies, a plan that was edited, a number that is rounded. */
import type { Door } from './door.ts'
import { notLookedAt } from './doors-stored.ts'

const FILE = 'other-spellings.test.ts'
const SQL = 'activities/executors/sql.ts'

export const values: Door[] = [
  {
    name: 'a value of another kind is just another value',
    patches: [
      {
        file: 'lib/policy.ts',
        find: 'import { evaluateStrictly, referencesOf,',
        replace: 'import { evaluateExpression as evaluateStrictly, referencesOf,',
      },
    ],
    test: { file: FILE, title: 'meta {"vip":"1"} is denied in every spelling' },
    says: "expected 'completed' to be 'POLICY_DENIED'",
  },
  {
    name: 'policy judges a value as it is spelled',
    patches: [
      {
        file: SQL,
        find: 'const set = valuesOf(inOrderOf(update.set, stored.set))',
        replace: 'const set = update.set as JsonObject',
      },
    ],
    test: { file: FILE, title: 'owner "{E0EEBC999C0B4EF8BB6D6BB9BD380A11}" is denied in every spelling' },
    says: "expected 'completed' to be 'POLICY_DENIED'",
  },
  {
    name: 'policy judges a row by the spelling of its key',
    patches: [
      {
        file: SQL,
        find: 'const key = valuesOf(inOrderOf(update.key, stored.key))',
        replace: 'const key = update.key as JsonObject',
      },
    ],
    test: { file: FILE, title: 'a row by another spelling of its key is the same row to policy and people' },
    says: "expected Set{ 'vault/ledgers/id=7', …(1) } to deeply equal Set{ 'vault/ledgers/id=7' }",
  },
  {
    name: 'what is written is evaluated when it is written',
    patches: [
      {
        file: 'activities/executors/sql-statements.ts',
        find: 'await updateLockedRow(client, params.address, texts)',
        replace: 'await updateLockedRow(client, params.address, params.set as RowValues)',
      },
      notLookedAt,
    ],
    test: { file: FILE, title: '`now` is approved as a moment, and that moment is written' },
    says: 'expected false to be true',
  },
  {
    name: 'a plan is carried out as the ledger has it',
    patches: [
      {
        file: 'activities/executors/sql-columns.ts',
        find: "return [...key, ...written].join(' and ')",
        replace: "return [...key, ...written].map((same) => `(${same}) is not null`).join(' and ')",
      },
      notLookedAt,
    ],
    test: { file: FILE, title: 'is not carried out: it sends another value than people have seen' },
    says: "expected '1000' to be null",
  },
  {
    name: 'a number that a double cannot hold is rounded',
    patches: [
      {
        file: 'api/body.ts',
        find: 'if (inexact.length > 0) request.inexact = inexact',
        replace: '',
      },
    ],
    test: { file: FILE, title: 'a row over 2^53 is not asked for in a way that names its neighbour' },
    says: 'expected 201 to be 400',
  },
]
