/** Doors that keep the work of one tenant, or of a server, from the time of others. */
import type { Door } from './door.ts'

const WORK = 'hostile-work.test.ts'

export const hostileWork: Door[] = [
  {
    name: 'an expression looks at as much as it likes',
    patches: [
      {
        file: 'lib/cel-work.ts',
        find: '  if (current.left < 0)\n',
        replace: '  if (current.left === 0.5)\n',
      },
    ],
    test: {
      file: WORK,
      title: 'of a filter that looks at too much starts nothing, and keeps no other from starting',
    },
    says: 'expected [] to deeply equal [',
  },
  {
    name: 'filters of one event leave no turn to others',
    patches: [
      {
        file: 'api/deliveries/match.ts',
        find: '    if (restMs < 1) setImmediate(giveBack)\n    else setTimeout(giveBack, restMs)',
        replace: '    giveBack()',
      },
    ],
    test: {
      file: WORK,
      title: 'of many filters leaves turns to others in between, and another organization comes second',
    },
    says: 'to be greater than or equal to 12',
  },
  {
    name: 'filters take every other turn of an API',
    patches: [
      {
        file: 'api/deliveries/match.ts',
        find: '    if (restMs < 1) setImmediate(giveBack)\n    else setTimeout(giveBack, restMs)',
        replace: '    setImmediate(giveBack)',
      },
    ],
    test: { file: WORK, title: 'of many filters keeps a request with many turns waiting for few of them' },
    says: 'to be less than or equal to 5',
  },
  {
    name: 'a costly rule lets those after it pass',
    patches: [
      { file: 'lib/policy.ts', find: '    return ifUnclear\n  }\n}', replace: '    return false\n  }\n}' },
    ],
    test: { file: WORK, title: 'of a policy that looks at too much lets nothing pass' },
    says: "'deny'",
  },
  {
    name: 'a pattern of somebody is tried on the main thread',
    patches: [{ file: 'lib/schema-check.ts', find: "  'pattern',\n", replace: '' }],
    test: {
      file: WORK,
      title: 'with a pattern is never held against a value by this thread, however often it is used',
    },
    says: "expected 'here' to be 'elsewhere'",
  },
  {
    name: 'one organization takes all threads',
    patches: [
      {
        file: 'lib/fair-seats.ts',
        find: 'if (next === undefined || has >= perOwner) continue',
        replace: 'if (next === undefined) continue',
      },
    ],
    test: {
      file: 'hostile-code.test.ts',
      title: 'of another organization has a thread at once, however many wait',
    },
    says: "to deeply equal [ 'completed: 1', +0 ]",
  },
  {
    name: 'short calls beside code never rest',
    patches: [
      { file: 'lib/threads/pool.ts', find: 'const REST_FACTOR = 9\n', replace: 'const REST_FACTOR = 0\n' },
    ],
    test: {
      file: WORK,
      title:
        'short calls beside code of the same organization do not wait for it, and rest for far longer than they take',
    },
    says: 'to be greater than 6',
  },
  {
    name: 'slow servers of one organization hold a worker',
    patches: [
      {
        file: 'lib/places.ts',
        find: 'if (own >= shareBeside(allTaken - own, { total, perOwner })) return null',
        replace: '',
      },
    ],
    test: { file: WORK, title: 'calls of one organization never hold all places of a worker' },
    says: "to match object { code: 'ORGANIZATION_BUSY'",
  },
  {
    name: 'two organizations hold all places of a worker',
    patches: [
      { file: 'lib/places.ts', find: 'if (others === 0) return', replace: 'if (others >= 0) return' },
    ],
    test: {
      file: WORK,
      title: 'calls of several organizations leave places of a worker to one that comes later',
    },
    says: 'to deeply equal',
  },
  {
    name: 'waits for what reset runs had started hold a worker',
    patches: [
      {
        file: 'activities/index.ts',
        find: 'amongWaits(organization, () => inShare(organization, wait)),',
        replace: 'wait(),',
      },
    ],
    test: {
      file: 'many-waits.test.ts',
      title:
        'waits of one organization for what its reset runs had started take few places of a worker, and all end',
    },
    says: 'expected +0 to be 4',
  },
  {
    name: 'the reconciler has all open writes in memory',
    patches: [
      {
        file: 'db/queries/open-rows.ts',
        find: 'select organization, writeback_id as "writebackId" from writebacks',
        replace: 'select organization, writeback_id as "writebackId", plan from writebacks',
      },
    ],
    test: {
      file: 'many-large-writes.test.ts',
      title: 'open writes of all tenants are read one by one, however many there are',
    },
    says: 'to be less than',
  },
  {
    name: 'a server lists without end',
    patches: [
      {
        file: 'mcp/listing.ts',
        find: 'count > MAX_TOOLS) throw tooLarge()',
        replace: 'count < 0) throw tooLarge()',
      },
    ],
    test: { file: WORK, title: 'that lists too many tools is refused' },
    says: "to be 'LISTING_TOO_LARGE'",
  },
  {
    name: 'an answer without bottom is taken',
    patches: [
      {
        file: 'mcp/client.ts',
        find: 'if (isNestedDeeper(answer, MAX_VALUE_DEPTH)) {',
        replace: 'if (isNestedDeeper(answer, 1e6)) {',
      },
    ],
    test: { file: WORK, title: 'that answers without bottom fails the call once' },
    says: "to deeply equal { state: 'failed', …(1) }",
  },
]
