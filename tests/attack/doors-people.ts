/** Doors of who somebody is, which key speaks for them, and what somebody may send who is nobody yet. */
import type { Door, Patch } from './door.ts'

const DECISIONS = 'activities/decisions.ts'
const LEAKED = 'leaked-keys.test.ts'
const SPELLED = 'spelled-people.test.ts'
const REPEATED = 'repeated-events.test.ts'
const SLOW = 'slow-senders.test.ts'
const QUOTED = 'quoted-secrets.test.ts'

const anybodyKnown: Patch = {
  file: 'api/deliveries/input.ts',
  find: 'if (ids.length === 0) return',
  replace: 'if (ids.length < 100) return',
}

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
  {
    name: 'people are asked for under another spelling',
    patches: [
      {
        file: 'schemas/common.ts',
        find: 'const PRINCIPAL_ID = /^[a-z0-9][a-z0-9@._/+-]{0,126}$/',
        replace: 'const PRINCIPAL_ID = /^[A-Za-z0-9][A-Za-z0-9@._/+-]{0,126}$/',
      },
      anybodyKnown,
    ],
    test: { file: SPELLED, title: 'a name with capitals is nobody for whom one can ask' },
    says: "expected 'nothing was refused' to be 'INVALID_INPUT'",
  },
  {
    name: 'one person has two names',
    patches: [
      {
        file: 'schemas/common.ts',
        find: 'const PRINCIPAL_ID = /^[a-z0-9][a-z0-9@._/+-]{0,126}$/',
        replace: 'const PRINCIPAL_ID = /^[A-Za-z0-9][A-Za-z0-9@._/+-]{0,126}$/',
      },
      {
        file: 'db/migrations/0015_one_spelling.sql',
        find: "'^[a-z0-9][a-z0-9@._/+-]{0,126}$'",
        replace: "'^[A-Za-z0-9][A-Za-z0-9@._/+-]{0,126}$'",
      },
    ],
    test: { file: SPELLED, title: 'a name with capitals does not make a second person' },
    says: "expected 'nothing was refused' to be 'INVALID_INPUT'",
  },
  {
    name: 'somebody asks for nobody',
    patches: [anybodyKnown],
    test: { file: SPELLED, title: 'nobody asks for somebody who is not known here' },
    says: "expected 'nothing was refused' to be 'INVALID_INPUT'",
  },
  {
    name: 'whoever may not decide uses up the looks of those who may',
    patches: [
      { file: 'api/decisions.ts', find: '  await assertMayVote(deps, signed)\n', replace: '' },
      {
        file: 'workflows/approval.ts',
        find: "if (received.door === 'signal' && !decided.counted) wait.vainSignals++",
        replace: 'if (!decided.counted) wait.vainSignals++',
      },
      {
        file: 'workflows/approval.ts',
        find: "if (door === 'signal' && wait.vainSignals >= MAX_REFUSALS)",
        replace: 'if (wait.vainSignals >= MAX_REFUSALS)',
      },
    ],
    test: { file: 'wrong-people.test.ts', title: 'over the API keeps nobody else from deciding' },
    says: "expected Set{ 'NOT_ELIGIBLE', …(1) } to deeply equal Set{ 'NOT_ELIGIBLE' }",
  },
]

export const senders: Door[] = [
  {
    name: 'the key of a sender stands for the identity of an event',
    patches: [
      {
        file: 'api/deliveries/match.ts',
        find: 'isSenders: true, matches: anonymous }, ...identified]',
        replace: 'isSenders: true, matches: [...matches] }]',
      },
    ],
    test: {
      file: REPEATED,
      title:
        'one event under three keys of the sender starts one run of what knows it, at once or after another',
    },
    says: 'expected { book: 5, log: 5 } to deeply equal { book: 1, log: 5 }',
  },
  {
    name: 'the identity of an event stands for the key of its sender',
    patches: [
      {
        file: 'api/deliveries.ts',
        find: 'if (isSenders && row.id !== id) break',
        replace: '',
      },
    ],
    test: { file: REPEATED, title: 'one key of the sender starts nothing for a second event' },
    says: 'expected { book: 2, log: 1 } to deeply equal { book: 1, log: 1 }',
  },
  {
    name: 'a sender takes the place of an identity',
    patches: [
      { file: 'api/deliveries/match.ts', find: 'key: `key ${senderKey}`', replace: 'key: `${senderKey}`' },
    ],
    test: {
      file: REPEATED,
      title:
        'a key of the sender that looks like what an automation knows another event by suppresses nothing',
    },
    says: 'expected { book: 1, log: 2 } to deeply equal { book: 2, log: 2 }',
  },
  {
    name: 'a body is waited for that nobody may send',
    patches: [
      {
        file: 'api/trigger-callback.ts',
        find: 'onRequest: (request: FastifyRequest, reply: FastifyReply) => findOutSender',
        replace: 'preHandler: (request: FastifyRequest, reply: FastifyReply) => findOutSender',
      },
    ],
    test: {
      file: SLOW,
      title:
        'whoever has no key is answered before the body, and the connection is closed, at /api/trigger-callback',
    },
    says: 'still open; received: : expected null not to be null',
  },
  {
    name: 'a refused sender is listened to without end',
    patches: [
      {
        file: 'api/connections.ts',
        find: 'const timer = setTimeout(() => raw.destroy(), REQUEST_LIMITS.lingerMs).unref()',
        replace: 'const timer = setTimeout(() => undefined, REQUEST_LIMITS.lingerMs).unref()',
      },
    ],
    test: {
      file: SLOW,
      title: 'whoever has no key is answered before the body, and the connection is closed, at /v1/manifests',
    },
    says: 'still open; received: HTTP/1.1 401',
  },
  {
    name: 'a body may take for ever',
    patches: [{ file: 'api/app.ts', find: '    ...CONNECTION_OPTIONS,\n', replace: '' }],
    test: {
      file: SLOW,
      title: 'a connection is closed on which a body does not come to its end, whoever sends it',
    },
    says: 'still open; received: : expected null not to be null',
  },
]

export const quoting: Door[] = [
  {
    name: 'answers quote secrets',
    patches: [
      {
        file: 'mcp/client.ts',
        find: 'const hide = hiding(request.target.secrets ?? [])',
        replace: 'const hide = hiding([])',
      },
    ],
    test: {
      file: QUOTED,
      title:
        'a server that quotes what it was sent is not believed to be fit for others to read: the failure of a write',
    },
    says: 'secrets are in it',
  },
  {
    name: 'databases quote secrets',
    patches: [
      {
        file: 'activities/executors/sql.ts',
        find: 'const hide = hiding(target.secrets)',
        replace: 'const hide = hiding(target.secrets.slice(9))',
      },
    ],
    test: {
      file: QUOTED,
      title: 'a server that quotes what it was sent may be a database, whose address has the password',
    },
    says: 'secrets are in it',
  },
  {
    name: 'descriptions quote secrets',
    patches: [
      {
        file: 'mcp/client.ts',
        find: 'return hiding(target.secrets ?? [])(listed)',
        replace: 'return listed',
      },
    ],
    test: {
      file: QUOTED,
      title: 'a server that quotes what it was sent leaves nothing in tables and histories either',
    },
    says: 'table tool_catalog',
  },
]
