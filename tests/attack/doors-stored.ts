/** Doors to what a target stores: a value that is not the one which people have seen, a receipt that is of another plan. */
import type { Door, Patch } from './door.ts'

const FILE = 'stored-otherwise.test.ts'
const STATEMENTS = 'activities/executors/sql-statements.ts'

export const notLookedAt: Patch = {
  file: STATEMENTS,
  find: 'return isAsPlanned ?',
  replace: 'return found ?',
}

export const stored: Door[] = [
  {
    name: 'what a target stores is what was sent',
    patches: [notLookedAt],
    test: { file: FILE, title: 'a trigger that changes what was approved has the write undone' },
    says: "ending: 'completed'",
  },
  {
    name: 'a target writes and reads values by its own settings',
    patches: [
      { file: 'activities/executors/sql-connection.ts', find: '    ...EXACT_TEXTS,\n', replace: '' },
      notLookedAt,
    ],
    test: { file: FILE, title: 'a database that reads NULL as a word stores the null that was approved' },
    says: "expected [ 'a', 'NULL' ] to deeply equal [ 'a', null ]",
  },
  {
    name: 'a value is sent as a cast of the target says it',
    patches: [
      {
        file: 'activities/executors/sql-columns.ts',
        find: "else pg_catalog.format('%s', ${name}) end",
        replace: 'else ${name}::text end',
      },
      notLookedAt,
    ],
    test: { file: FILE, title: 'a cast of the target’s own does not say what is sent' },
    says: "expected 'high' to be 'low'",
  },
  {
    name: 'a version is whatever its type calls the same',
    patches: [
      {
        file: STATEMENTS,
        find: 'and ${unchanged(params.preconditions, values)}',
        replace: 'and ${conditions(params.address, params.preconditions, values)}',
      },
    ],
    test: { file: FILE, title: 'a version that is only the same to its type is another one' },
    says: "expected 'it is written' to be 'people are asked anew'",
  },
  {
    name: 'a receipt of any plan proves this one',
    patches: [
      {
        file: STATEMENTS,
        find: 'if (receipt.digest !== params.digest) return',
        replace: "if (receipt.digest === '') return",
      },
    ],
    test: {
      file: 'other-plans.test.ts',
      title: 'the receipt of another plan proves nothing of this one: nobody knows, and both are told',
    },
    says: "expected [ 'already_applied', 50 ] to deeply equal [ 'unknown', 50 ]",
  },
]
