/** Doors that keep what a database sends from those whose work the same process does. */
import type { Door } from './door.ts'

const FILE = 'hostile-databases.test.ts'
const WIRE = 'activities/executors/sql-wire.ts'
const SQL_TARGETS = 'activities/executors/sql-targets.ts'

export const hostileDatabases: Door[] = [
  {
    name: 'a database is read as it comes',
    patches: [{ file: SQL_TARGETS, find: '    guardAnswers(innerOf(this).connection)\n', replace: '' }],
    test: {
      file: FILE,
      title: 'a database that answers with a row of -1 columns fails the call, and nobody else’s',
    },
    says: "to contain 'a row of another form'",
  },
  {
    name: 'how much a database answers is not counted',
    patches: [{ file: WIRE, find: 'if (bytes > MAX_ANSWER_BYTES)\n', replace: 'if (bytes < 0)\n' }],
    test: { file: FILE, title: 'a database that answers with notices without end is cut off' },
    says: "to contain 'over 10.0 MB'",
  },
  {
    name: 'how much the values of a database have in them is not counted',
    patches: [
      {
        file: WIRE,
        find: 'partsOf(texts.join(), most) > most',
        replace: 'partsOf(texts.join(), most) > 1e9',
      },
    ],
    test: {
      file: FILE,
      title:
        'a database whose value, which says to be JSON, has more in it than is taken has it read by no parser',
    },
    says: "to contain 'over 200000 values and names'",
  },
  {
    name: 'a plan carries what it replaces, however large it is',
    patches: [
      {
        file: 'activities/executors/sql-values.ts',
        find: 'if (isLarge(pair)) return',
        replace: "if (isLarge(pair) && column === '') return",
      },
    ],
    test: {
      file: 'large-rows.test.ts',
      title: 'a plan that replaces meta, with 190,000 values in it, has only its digest',
    },
    says: 'to be less than 1000',
  },
  {
    name: 'a database says how its texts are read',
    patches: [{ file: SQL_TARGETS, find: '    types: { getTypeParser: readerOf },\n', replace: '' }],
    test: {
      file: FILE,
      title: 'a database that says which type a text is has it read as no other than we asked for',
    },
    says: 'to be less than 10000',
  },
  {
    name: 'nobody listens to a connection that is handed over',
    patches: [
      {
        file: 'db/client.ts',
        find: "this.on('error', () => undefined)\n",
        replace: "this.on('drain', () => undefined)\n",
      },
    ],
    test: { file: FILE, title: 'our own database may say goodbye in the same packet as its welcome' },
    says: 'to deeply equal []',
  },
]
