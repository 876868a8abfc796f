/** Doors to what is inside: secrets, the answers of people, readings of dry runs, and the process that code runs in. */
import { anyPurpose, type Door } from './door.ts'

const ASKS = 'activities/asks.ts'
const EVALUATE = 'lib/sandbox/evaluate.ts'
const POOL = 'lib/threads/pool.ts'
const SECRETS = {
  file: 'secrets.test.ts',
  title: 'secrets are used, and are in no history, row, answer or line of the log',
}

export const readers: Door[] = [
  {
    name: 'errors quote headers',
    patches: [
      {
        file: 'mcp/errors.ts',
        find: 'const line = hiddenPart(text, { secrets, most: MAX_LOOKED_AT_LENGTH, keep })',
        replace: 'const line = text',
      },
    ],
    test: SECRETS,
    says: 'history of inspect/acme/broken',
  },
  {
    name: 'a log tells secrets in base64',
    patches: [
      {
        file: 'activities/secrets.ts',
        find: '    return value\n',
        replace: "    console.log(Buffer.from('x' + value).toString('base64'))\n    return value\n",
      },
    ],
    test: SECRETS,
    says: 'log of the worker',
  },
  {
    name: 'the ledger keeps addresses with their secrets',
    patches: [
      {
        file: 'activities/executors/sql.ts',
        find: 'resolve: async (operation) => resolve(statementOf(operation)),',
        replace:
          'resolve: async (operation) => ({ ...resolve(statementOf(operation)), endpoint: { url: deps.targetOf(operation).address.password } }),',
      },
    ],
    test: SECRETS,
    says: 'table writebacks',
  },
]

export const answers: Door[] = [
  {
    name: 'the key of the workers signs answers',
    patches: [anyPurpose],
    test: {
      file: 'forged-answers.test.ts',
      title: 'a forged answer is refused, whatever the door of it: the right one still counts',
    },
    says: 'UNVERIFIED, (approved): expected',
  },
  {
    name: 'an answer counts for any question',
    patches: [
      {
        file: ASKS,
        find: 'if (decision.organization !== organization || decision.writebackId !== pending.writebackId)',
        replace: 'if (decision.organization !== organization)',
      },
      {
        file: 'workflows/decide.ts',
        find: 'if (vote.digest !== pending.digest) {',
        replace: "if (vote.digest === '') {",
      },
      {
        file: ASKS,
        find: 'if (vote.digest !== pending.digest)',
        replace: "if (vote.digest === '')",
      },
    ],
    test: {
      file: 'forged-answers.test.ts',
      title: 'a genuine answer counts for its own question, organization, digest and form only',
    },
    says: '(approved): expected',
  },
  {
    name: 'an answer need not fit its form',
    patches: [{ file: ASKS, find: 'if (problem !== null) return', replace: "if (problem === '') return" }],
    test: {
      file: 'forged-answers.test.ts',
      title: 'a genuine answer counts for its own question, organization, digest and form only',
    },
    says: 'STALE_DIGEST, (approved): expected',
  },
  {
    name: 'people answer what the inbox shows',
    patches: [
      {
        file: 'api/decisions.ts',
        find: 'if (askDigest({ organization, askId, runId, question, requirement, requester }) === digest) return',
        replace: 'if (askDigest({ organization, askId, runId, question, requirement, requester })) return',
      },
    ],
    test: {
      file: 'forged-answers.test.ts',
      title: 'a person does not sign an answer to a question that was changed in the inbox',
    },
    says: "expected 'not refused: ",
  },
  {
    name: 'anybody’s question stands in the inbox',
    patches: [
      {
        file: ASKS,
        find: '= verifyAskOrigin(asking, row)',
        replace: `= row ? verifyAskOrigin(asking, row) : {
    ask: { of: { roles: ['lead'], people: [] }, expires_after: '1h', form: {}, self_answer: true },
    requester: { principal: 'x', kind: 'service', onBehalfOf: [] },
  }`,
      },
    ],
    test: {
      file: 'forged-answers.test.ts',
      title: 'a question that no step of a run of ours asks is not asked',
    },
    says: "expected 'it stands in the inbox' to be 'UNKNOWN_ORIGIN'",
  },
  {
    name: 'a run takes the answer of anybody',
    patches: [
      { file: ASKS, find: 'if (why !== null) throw new', replace: "if (why === 'ALREADY_VOTED') throw new" },
    ],
    test: {
      file: 'forged-answers.test.ts',
      title:
        'a run takes only an answer that a door has signed, of somebody who may give it, to what was asked',
    },
    says: "expected { tier: 'gold' } to be 'NOT_ELIGIBLE'",
  },
]

export const dryRuns: Door[] = [
  {
    name: 'a dry run reads without a grant of the API',
    patches: [anyPurpose],
    test: {
      file: '../workflows/dry-run.test.ts',
      title: 'reads nothing by a dry run that no API has granted',
    },
    says: "expected 'completed' to be 'DRY_RUN_NOT_GRANTED'",
  },
]

const PROCESS = 'is not reached by globalThis.process.env'

export const hostileCode: Door[] = [
  {
    name: 'code goes on after its deadline',
    patches: [
      {
        file: EVALUATE,
        find: 'const endsAtMs = processorMs(clock) + timeoutMs',
        replace: 'const endsAtMs = processorMs(clock) + timeoutMs + 30_000',
      },
      { file: POOL, find: 'const GRACE_MS = 1_000', replace: 'const GRACE_MS = 60_000' },
    ],
    test: { file: 'hostile-code.test.ts', title: 'of a loop ends' },
    says: 'to be less than 20000',
  },
  {
    name: 'code that nobody wants goes on',
    patches: [
      {
        file: POOL,
        find: 'onLimit({ timeoutMs: restMs, signals: [signal] }',
        replace: 'onLimit({ timeoutMs: restMs, signals: [] }',
      },
    ],
    test: { file: 'hostile-code.test.ts', title: 'nobody waits for a call that is not wanted any more' },
    says: 'to be less than 20000',
  },
  {
    name: 'code has the memory of the worker',
    patches: [{ file: EVALUATE, find: '    memoryLimitBytes: CODE_MEMORY_BYTES,\n', replace: '' }],
    test: { file: 'hostile-code.test.ts', title: 'of a buffer of the whole limit is bounded' },
    says: "to include 'completed: ",
  },
  {
    name: 'code sees the process',
    patches: [
      {
        file: EVALUATE,
        find: '  const host = context.newObject()\n',
        replace: `  context.evalCode('globalThis.process = ' + JSON.stringify({ env: process.env, pid: process.pid }))
  const host = context.newObject()\n`,
      },
    ],
    test: { file: 'hostile-code.test.ts', title: PROCESS },
    says: "expected 'completed: {",
  },
  {
    name: 'code has a clock',
    patches: [
      {
        file: 'lib/sandbox/prelude.ts',
        find: '  StandingDate.now = () => nowMs\n',
        replace: '',
      },
    ],
    test: { file: 'hostile-code.test.ts', title: 'shows neither its clock nor its chance' },
    says: 'the clock is that of the call',
  },
  {
    name: 'one call lives in the world of another',
    patches: [
      {
        file: EVALUATE,
        find: 'const context = runtime.newContext()',
        replace: 'const context = (globalThis.keptContext ??= runtime.newContext())',
      },
    ],
    test: { file: 'hostile-code.test.ts', title: 'finds nothing of what one has done to its world' },
    says: "expected 'CODE_FAILED' to be 'completed: ",
  },
  {
    name: 'what code gives is of any size',
    patches: [{ file: EVALUATE, find: 'if (bytes > LIMITS.valueBytes) {', replace: 'if (bytes < 0) {' }],
    test: { file: 'hostile-code.test.ts', title: 'what comes out has a limit' },
    says: "to be 'VALUE_TOO_LARGE'",
  },
  {
    name: 'what code says is kept without end',
    patches: [
      {
        file: 'lib/sandbox/log.ts',
        find: 'if (dropped > 0 || kept.length >= CODE_LOG_LINES || bytes > CODE_LOG_BYTES) dropped++',
        replace: 'if (kept.length > 1e6) dropped++',
      },
    ],
    test: {
      file: 'hostile-code.test.ts',
      title: 'of the console is bounded, and what is dropped is counted',
    },
    says: 'to have a length of 101 but got',
  },
]
