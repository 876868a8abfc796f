/** Doors that keep sockets, processes and memory of a worker from those who connect much, or never hang up. */
import type { Door } from './door.ts'

const FILE = 'kept-connections.test.ts'
const KEPT = 'lib/kept.ts'
const SQL_TARGETS = 'activities/executors/sql-targets.ts'

const withoutShare = {
  file: KEPT,
  find: 'const isOverShare = sizeOf(sizes, owner) > room.perOwner',
  replace: 'const isOverShare = sizeOf(sizes, owner) < 0',
}
const evenIfUsed = { file: KEPT, find: 'one.users === 0 && ', replace: '' }

export const kept: Door[] = [
  {
    name: 'a worker keeps a pool for every database that somebody connects',
    patches: [withoutShare],
    test: {
      file: FILE,
      title: 'are kept open for the next call up to a number, and those that were used last stay',
    },
    says: 'to deeply equal',
  },
  {
    name: 'whoever connects much closes the databases of others',
    patches: [
      {
        file: KEPT,
        find: 'one.users === 0 && (!isOverShare || one.owner === owner)',
        replace: 'one.users === 0',
      },
      {
        file: KEPT,
        find: 'idle.find((one) => sizeOf(sizes, one.owner) === most)',
        replace: 'idle.find(() => most > 0)',
      },
    ],
    test: { file: FILE, title: 'cost no other organization its own' },
    says: 'to include',
  },
  {
    name: 'a pool is closed under a write',
    patches: [evenIfUsed],
    test: { file: FILE, title: 'are never closed under a write' },
    says: 'expected +0 to be 1',
  },
  {
    name: 'a database that never hangs up keeps our sockets',
    patches: [
      {
        file: SQL_TARGETS,
        find: '    setTimeout(() => innerOf(this).connection.stream.destroy(), CLOSE_LIMIT_MS).unref()\n',
        replace: '',
      },
    ],
    test: {
      file: FILE,
      title: 'and finds nothing has no socket of ours when we have left',
    },
    says: 'to have a length of +0',
  },
  {
    name: 'a database that refuses a login keeps the socket',
    patches: [
      {
        file: SQL_TARGETS,
        find: 'if (error) innerOf(this).connection.stream.destroy()\n',
        replace: '\n',
      },
    ],
    test: { file: FILE, title: 'and refuses every login has no socket of ours when we have left' },
    says: 'to have a length of +0',
  },
  {
    name: 'a worker keeps every program that somebody has it start',
    patches: [withoutShare],
    test: { file: FILE, title: 'are kept for the next call up to a number, and those of others stay' },
    says: 'to deeply equal',
  },
  {
    name: 'a program is ended under a call',
    patches: [evenIfUsed],
    test: { file: FILE, title: 'are never ended under a call, and one too many waits for its turn' },
    says: "expected 'answered' to be 'ORGANIZATION_BUSY, sent: no'",
  },
  {
    name: 'a worker keeps every list of tools that somebody has it read',
    patches: [withoutShare],
    test: { file: FILE, title: 'are kept up to a size, and those of others stay' },
    says: 'to deeply equal',
  },
]
