/** Doors of who somebody is, and which key speaks for them. */
import type { Door } from './door.ts'

const DECISIONS = 'activities/decisions.ts'
const LEAKED = 'leaked-keys.test.ts'

export const keysAndPeople: Door[] = [
  {
    name: 'a key that was retired still decides',
    patches: [
      {
        file: 'lib/dsse.ts',
        find: 'return openWith(envelope, expected, keys.filter(isInUse))',
        replace: 'return openWith(envelope, expected, keys)',
      },
    ],
    test: { file: LEAKED, title: 'a new ticket is refused, also one that is dated back' },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'what a key has approved outlives it',
    patches: [
      {
        file: 'lib/dsse.ts',
        find: 'return openWith(envelope, expected, keys.filter(isInUse))',
        replace: 'return openWith(envelope, expected, keys)',
      },
    ],
    test: { file: LEAKED, title: 'what was approved before and is not sent is asked for again' },
    says: "expected 'it was written' to match object",
  },
  {
    name: 'an API signs with a key that was retired',
    patches: [
      {
        file: 'lib/dsse.ts',
        find: 'return openWith(envelope, expected, keys.filter(isInUse))',
        replace: 'return openWith(envelope, expected, keys)',
      },
    ],
    test: { file: LEAKED, title: 'the API that still signs with it is not believed either, and says why' },
    says: "expected 'nothing was refused' to be 'UNVERIFIED'",
  },
  {
    name: 'a vote may be of tomorrow',
    patches: [
      {
        file: DECISIONS,
        find: 'return decision === null || isAhead(decision, nowMs) ? null : decision',
        replace: 'return decision === null || nowMs < 0 ? null : decision',
      },
    ],
    test: {
      file: LEAKED,
      title: 'a vote that is dated ahead of our clock does not count, for it would stay young too long',
    },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'a role counts for what was signed before it was given',
    patches: [
      {
        file: DECISIONS,
        find: 'roles: rolesAtBothTimes(decision, person),',
        replace: 'roles: person.roles,',
      },
    ],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'of somebody who has got the role since is refused, and counts when it is signed with it',
    },
    says: "expected [ '(approved)' ]",
  },
]
