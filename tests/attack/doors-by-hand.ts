/** Doors to activities that somebody has taken in hand: what their attempts have told is gone, and nobody may miss it. */
import type { Door } from './door.ts'

const BY_HAND = 'ended-by-hand.test.ts'
const NOT_UNKNOWN = "to match object { writebacks: [ 'unknown' ]"

export const endedByHand: Door[] = [
  {
    name: 'an attempt that was reset or paused sends all the same',
    patches: [
      {
        file: 'activities/heartbeat.ts',
        find: 'if (!(error instanceof ActivityCancelledError)) throw error',
        replace: 'if (!(error instanceof ActivityCancelledError || error instanceof Error)) throw error',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is paused while it waits for its claim is not sent by that attempt',
    },
    says: 'expected 1 to be +0',
  },
  {
    name: 'what was erased is taken for what nobody has told',
    patches: [
      {
        file: 'activities/passing.ts',
        find: 'if (!isErased) return ask',
        replace: 'if (!isErased || ask === null) return ask',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is reset between two attempts, without its heartbeats, is not paid again',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'what was erased is looked for when it is the turn of the organization',
    patches: [
      {
        file: 'activities/passing.ts',
        find: 'const isAfterReset = (await notingErased()) || afterReset === true\n        return inShare(organizationHere(), () => work(signal, isAfterReset))',
        replace:
          'return inShare(organizationHere(), async () => work(signal, (await notingErased()) || !!afterReset))',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is unpaused so while its organization is busy is not paid again',
    },
    says: 'expected 77 to be 76',
  },
  {
    name: 'workers that died before their first word had nothing to miss',
    patches: [
      {
        file: 'activities/erased.ts',
        find: 'info.attempt > MAX_UNHEARD',
        replace: 'info.attempt < MAX_UNHEARD',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is unpaused so, and whose next workers die before their first word, is not paid again',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'the reconciler takes a worker that died for one that had nothing to tell',
    patches: [
      {
        file: 'activities/histories.ts',
        find: '(!lastFailure || !!lastFailure.timeoutFailureInfo)',
        replace: '!lastFailure',
      },
    ],
    test: {
      file: BY_HAND,
      title:
        'of one whose heartbeats were erased and whose next worker has died before its run was terminated, neither',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a failure that Temporal has cut short is taken for one without a claim',
    patches: [
      {
        file: 'activities/histories.ts',
        find: "isWhole ? 'whole' : 'cut'",
        replace: "isWhole ? 'whole' : 'whole'",
      },
    ],
    test: {
      file: BY_HAND,
      title: 'one that is reset during its call, whose answer is lost then, is not paid again',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'a write whose activity was ended by hand was never sent',
    patches: [
      {
        file: 'activities/histories.ts',
        find: 'visit.worker !== end.identity)',
        replace: 'visit.worker === BY_HAND)',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'of one that is failed by hand during its call no receipt says that it was never sent',
    },
    says: "to match object { state: 'failed', …(2) }",
  },
  {
    name: 'who ends an activity between two attempts is a worker',
    patches: [
      {
        file: 'activities/histories.ts',
        find: 'started?.requestId ? started.identity : BY_HAND',
        replace: 'started?.identity',
      },
    ],
    test: {
      file: BY_HAND,
      title: 'of one that is completed by hand between two attempts the reconciler does not say so either',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'the reconciler takes an activity without a word for one that has said nothing',
    patches: [{ file: 'activities/witnesses.ts', find: 'if (doubt) return doubt\n', replace: '\n' }],
    test: {
      file: BY_HAND,
      title: 'of one whose heartbeats were erased before its run was terminated, neither',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'whoever ends a write believes its workflow that there was no claim',
    patches: [
      {
        file: 'activities/index.ts',
        find: 'abandonWriteback(door, params, askingAll(params))',
        replace: 'abandonWriteback(door, params, params.claim ? askingAll(params) : null)',
      },
    ],
    test: { file: BY_HAND, title: 'a workflow that is made up has no receipt that says so' },
    says: "to match object { kind: 'under_way' }",
  },
]
