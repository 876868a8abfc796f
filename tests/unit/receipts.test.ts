/** A chain of receipts in which anything was changed, left out or moved is found out, offline. */
import { describe, expect, it } from 'vitest'
import { signEnvelope, type TrustedKey } from '../../lib/dsse.ts'
import { receiptDigest, verifyReceipts } from '../../lib/receipts.ts'
import {
  DECISION_PREDICATE,
  OUTCOME_PREDICATE,
  RECEIPT_PAYLOAD_TYPE,
  RESOLUTION_PREDICATE,
  STATEMENT_TYPE,
} from '../../schemas/receipt.ts'
import type { Decision } from '../../schemas/decision.ts'
import { RESOLUTION_PAYLOAD_TYPE, type Resolution } from '../../schemas/resolution.ts'
import type { Envelope } from '../../schemas/run.ts'
import {
  at,
  decision,
  DIGEST,
  makeKeys,
  ORGANIZATION,
  OTHER_DIGEST,
  seededRandom,
  signedDecision,
  WRITEBACK_ID,
} from '../support/fixtures.ts'

const keys = makeKeys()
const RUN_ID = 'run_1'

interface Link {
  seq: number
  previous: string | null
}

const ANSWERED = { status: 'applied', how: 'answered', answerSha256: null }

function outcomeStatement({ seq, previous }: Link, runId = RUN_ID, facts: object = ANSWERED): object {
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: `countersign:outcome/${ORGANIZATION}/wb_${seq}`, digest: { sha256: DIGEST } }],
    predicateType: OUTCOME_PREDICATE,
    predicate: { organization: ORGANIZATION, runId, seq, previous, at: at(seq), ...facts },
  }
}

/** What it says of the decision, and the decision that it carries. */
function decisionStatement(
  { seq, previous }: Link,
  said: Decision,
  carried: Envelope | undefined,
  runId = RUN_ID,
): object {
  const { decisionId, digest, organization, writebackId, principal, verdict, method } = said
  const facts = { writebackId, principal, verdict, method, decision: carried }
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: `countersign:decision/${organization}/${decisionId}`, digest: { sha256: digest } }],
    predicateType: DECISION_PREDICATE,
    predicate: { organization, runId, seq, previous, at: at(seq), ...facts },
  }
}

const sign = (statement: object, key = keys.receipt): Envelope =>
  signEnvelope(RECEIPT_PAYLOAD_TYPE, statement, key)

function makeChain(length: number, runId = RUN_ID): Envelope[] {
  const chain: Envelope[] = []
  for (let seq = 1; seq <= length; seq++) {
    const before = chain.at(-1)
    const link = { seq, previous: before ? receiptDigest(before) : null }
    const said = decision()
    chain.push(
      sign(
        seq % 2 === 0
          ? outcomeStatement(link, runId)
          : decisionStatement(link, said, signedDecision(said, keys.decision), runId),
      ),
    )
  }
  return chain
}

const headOf = (chain: readonly Envelope[]): { seq: number; sha256: string | null } => {
  const last = chain.at(-1)
  return { seq: chain.length, sha256: last ? receiptDigest(last) : null }
}

const problems = (chain: readonly unknown[], head?: ReturnType<typeof headOf>): string[] =>
  verifyReceipts(chain, keys.trusted, head).problems.map(({ position, problem }) => `${position}: ${problem}`)

const chain = makeChain(6)

describe('an untouched chain', () => {
  it('has no problems, and gives its statements', () => {
    const { statements, problems: found } = verifyReceipts(chain, keys.trusted, headOf(chain))
    expect(found).toEqual([])
    expect(statements.map(({ predicate }) => predicate.seq)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('may be empty', () => {
    expect(problems([], { seq: 0, sha256: null })).toEqual([])
  })
})

describe('a change', () => {
  it('of any byte, anywhere, is found', () => {
    const random = seededRandom(42)
    const below = (limit: number): number => Math.floor(random() * limit)
    for (let round = 0; round < 400; round++) {
      const changed = structuredClone(chain)
      const receipt = changed[below(changed.length)]
      const [signature] = receipt?.signatures ?? []
      if (!receipt || !signature) throw new Error('the chain is not as expected')
      const flip = (base64: string): string => {
        const bytes = Buffer.from(base64, 'base64')
        const position = below(bytes.length)
        bytes[position] = (bytes[position] ?? 0) ^ (1 << below(8))
        return bytes.toString('base64')
      }
      if (round % 2 === 0) receipt.payload = flip(receipt.payload)
      else signature.sig = flip(signature.sig)
      expect(problems(changed, headOf(chain)), `round ${round}`).not.toEqual([])
    }
  })

  it('of any character of their texts is found', () => {
    const random = seededRandom(43)
    for (let round = 0; round < 300; round++) {
      const changed = structuredClone(chain)
      const receipt = changed[Math.floor(random() * changed.length)]
      const [signature] = receipt?.signatures ?? []
      if (!receipt || !signature) throw new Error('the chain is not as expected')
      const replace = (text: string): string => {
        const position = Math.floor(random() * text.length)
        return text.slice(0, position) + (text[position] === 'A' ? 'B' : 'A') + text.slice(position + 1)
      }
      const field = round % 4
      if (field === 0) receipt.payload = replace(receipt.payload)
      if (field === 1) signature.sig = replace(signature.sig)
      if (field === 2) signature.keyid = replace(signature.keyid)
      if (field === 3) receipt.payloadType = replace(receipt.payloadType)
      expect(problems(changed, headOf(chain)), `round ${round}`).not.toEqual([])
    }
  })

  it('of the order is found, whichever two are swapped', () => {
    for (let i = 0; i < chain.length; i++) {
      for (let j = i + 1; j < chain.length; j++) {
        const swapped = chain.with(i, chain[j] as Envelope).with(j, chain[i] as Envelope)
        expect(problems(swapped, headOf(chain))).not.toEqual([])
      }
    }
  })

  it('that leaves one out is found: the first, one in the middle, the last', () => {
    for (let i = 0; i < chain.length; i++)
      expect(problems(chain.toSpliced(i, 1), headOf(chain))).not.toEqual([])
    expect(problems(chain.slice(1))[0]).toMatch(/^1: has number 2/)
    expect(problems(chain.toSpliced(2, 1))[0]).toMatch(/^3: has number 4/)
  })

  it('that cuts the tail is found with the run’s head, and cannot be without', () => {
    expect(problems(chain.slice(0, 4), headOf(chain))).toEqual([
      '4: the run has 6 receipts: the end is missing or differs',
    ])
    expect(problems([], headOf(chain))).toHaveLength(1)
    expect(problems(chain.slice(0, 4))).toEqual([])
  })

  it('that cuts the tail, and the database’s head with it, is found with what the run’s result says', () => {
    const { seq: count, sha256 } = headOf(chain)
    const run = { count, sha256: sha256 ?? '' }
    const found = (cut: readonly unknown[], head: ReturnType<typeof headOf>): number =>
      verifyReceipts(cut, keys.trusted, head, { result: run }).problems.length
    expect(found(chain, headOf(chain))).toBe(0)
    for (let length = 0; length < chain.length; length++) {
      const cut = chain.slice(0, length)
      expect(found(cut, headOf(cut))).toBeGreaterThan(0)
    }
    // Made anew by somebody with the worker's key, it is another chain.
    const other = makeChain(6)
    expect(found(other, headOf(other))).toBe(1)
    // What follows after the run's end is not its result's matter.
    const longer = makeChain(8)
    const { seq, sha256: at6 } = headOf(longer.slice(0, 6))
    expect(
      verifyReceipts(longer, keys.trusted, headOf(longer), { result: { count: seq, sha256: at6 ?? '' } })
        .problems,
    ).toEqual([])
  })

  it('that puts one twice is found', () => {
    expect(problems([...chain, chain[5]], headOf(chain))).not.toEqual([])
    expect(problems([chain[0], ...chain])).not.toEqual([])
  })

  it('that puts in one of another run is found', () => {
    const other = makeChain(6, 'run_2')
    for (let i = 0; i < chain.length; i++)
      expect(problems(chain.with(i, other[i] as Envelope), headOf(chain))).not.toEqual([])
  })
})

describe('the run', () => {
  const at2 = chain.slice(0, 2)
  const link = { seq: 3, previous: headOf(at2).sha256 }

  it('is the same in all of a chain, even if each is signed and linked', () => {
    const mixed = [...at2, sign(outcomeStatement(link, 'run_2'))]
    expect(problems(mixed, headOf(mixed))).toEqual(['3: is of run run_2, not of run_1'])
  })

  it('is the one that they are said to be of: two whole chains that were swapped are found', () => {
    const other = makeChain(2, 'run_2')
    const found = (id: string, swapped: Envelope[]) =>
      verifyReceipts(swapped, keys.trusted, headOf(swapped), { id }).problems.map(({ problem }) => problem)
    expect(found(RUN_ID, at2)).toEqual([])
    expect(found('run_2', other)).toEqual([])
    expect(found(RUN_ID, other)).toEqual(Array(2).fill('is of run run_2, not of run_1'))
    expect(found('run_2', at2)).toEqual(Array(2).fill('is of run run_1, not of run_2'))
  })
})

describe('what is not a receipt', () => {
  const notSigned = 'is not signed by a key that we trust, or was changed'

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a text', 'receipt'],
    ['an empty object', {}],
    ['an envelope that says more', { ...chain[0], more: 1 }],
    ['a payload that is no base64', { ...chain[0], payload: '{}' }],
    [
      'one of another type',
      signEnvelope('application/json', outcomeStatement({ seq: 1, previous: null }), keys.receipt),
    ],
    ['one signed by a stranger', sign(outcomeStatement({ seq: 1, previous: null }), makeKeys().receipt)],
    ['one signed by the API’s key', sign(outcomeStatement({ seq: 1, previous: null }), keys.decision)],
    ['a signed document of another form', sign({ hello: 'world' })],
    ['one without a number', sign(outcomeStatement({ seq: 0, previous: null }))],
  ])('is named as such: %s', (_what, candidate) => {
    expect(problems([candidate])).toEqual([expect.stringContaining(`1: ${notSigned}`) as string])
  })

  it('does not hide what comes after it', () => {
    const broken = structuredClone(chain)
    const second = broken[1]
    if (second) second.signatures = [{ keyid: 'x', sig: 'AAAA' }]
    expect(problems(broken, headOf(chain))).toEqual([`2: ${notSigned}: key x is not among those given`])
  })
})

describe('a receipt of an outcome', () => {
  const verify = (facts: object): string[] =>
    problems([sign(outcomeStatement({ seq: 1, previous: null }, RUN_ID, facts))])

  it.each([
    ANSWERED,
    { status: 'already_applied', how: 'atomic', answerSha256: DIGEST },
    { status: 'failed', how: null, answerSha256: null },
    { status: 'conflict', how: 'checked', answerSha256: null },
    { status: 'unknown', how: null, answerSha256: null },
  ])('is good as $status, known as $how', (facts) => {
    expect(verify(facts)).toEqual([])
  })

  it.each<[string, object, string]>([
    [
      'done, and nobody knows how',
      { ...ANSWERED, how: null },
      'is applied, and does not say how it is known',
    ],
    [
      'known in a way that there is not',
      { ...ANSWERED, how: 'luck' },
      'is applied, and does not say how it is known',
    ],
    [
      'done, and without the digest of the answer',
      { status: 'already_applied', how: 'atomic' },
      'is already_applied, and does not say the digest of the answer',
    ],
    [
      'unknown, and known',
      { status: 'unknown', how: 'answered', answerSha256: null },
      'is unknown, and says how that is known: answered',
    ],
  ])('is not good as %s', (_what, facts, problem) => {
    expect(verify(facts)).toEqual([`1: ${problem}`])
  })
})

describe('a receipt of a decision', () => {
  const first = { seq: 1, previous: null }
  const said = decision()
  const verify = (statement: object): string[] => problems([sign(statement)])

  it('carries the decision as the door signed it', () => {
    expect(verify(decisionStatement(first, said, signedDecision(said, keys.decision)))).toEqual([])
  })

  it('may carry a word that the worker itself has signed as such', () => {
    const word = decision({ method: 'asserted', channel: 'signal' })
    expect(verify(decisionStatement(first, word, signedDecision(word, keys.receipt)))).toEqual([])
  })

  it.each<[string, Envelope | undefined, RegExp]>([
    ['none', undefined, /carries no decision/],
    ['one of a stranger', signedDecision(said, makeKeys().decision), /no door of ours/],
    ['one that the worker signed', signedDecision(said, keys.receipt), /no door of ours/],
    [
      'something else that the door signed',
      signEnvelope('text/plain', said, keys.decision),
      /no door of ours/,
    ],
  ])('is not good with %s', (_what, carried, problem) => {
    expect(verify(decisionStatement(first, said, carried))).toEqual([
      expect.stringMatching(problem) as string,
    ])
  })

  it.each<[string, Partial<Decision>]>([
    ['the other verdict', { verdict: 'reject' }],
    ['another person', { principal: 'bob@example.org' }],
    ['another write', { writebackId: 'wb_other' }],
    ['other content', { digest: OTHER_DIGEST }],
    ['another organization', { organization: 'rival' }],
    ['another decision', { decisionId: `dec_${'0'.repeat(32)}` }],
  ])('cannot say something else than the decision: %s', (_what, over) => {
    const carried = signedDecision({ ...said, ...over }, keys.decision)
    expect(verify(decisionStatement(first, said, carried))).toEqual([
      '1: says something else than the decision that it carries',
    ])
  })

  it('cannot pass off a word as verified', () => {
    const word = decision({ method: 'asserted', writebackId: WRITEBACK_ID })
    const claimed = { ...word, method: 'api_key' as const }
    expect(verify(decisionStatement(first, claimed, signedDecision(word, keys.receipt)))).toHaveLength(1)
    expect(verify(decisionStatement(first, word, signedDecision(claimed, keys.receipt)))).toHaveLength(1)
  })
})

describe('a receipt of a resolution', () => {
  const first = { seq: 1, previous: null }
  const said: Resolution = {
    resolutionId: `res_${'1'.repeat(32)}`,
    organization: ORGANIZATION,
    writebackId: WRITEBACK_ID,
    digest: DIGEST,
    resolution: 'applied',
    principal: 'olga@example.org',
    roles: ['operator'],
    method: 'api_key',
    channel: 'cli',
    at: at(1),
    comment: '',
  }
  const ticketFor = (over: Partial<Resolution> = {}, key = keys.decision): Envelope =>
    signEnvelope(RESOLUTION_PAYLOAD_TYPE, { ...said, ...over }, key)

  function verify(ticket: Envelope | undefined, status = 'applied'): string[] {
    const { organization, writebackId, digest, principal, resolution, method } = said
    const facts = { writebackId, principal, resolution, method, status, ticket }
    return problems([
      sign({
        _type: STATEMENT_TYPE,
        subject: [
          { name: `countersign:resolution/${organization}/${writebackId}`, digest: { sha256: digest } },
        ],
        predicateType: RESOLUTION_PREDICATE,
        predicate: { organization, runId: RUN_ID, ...first, at: at(1), ...facts },
      }),
    ])
  }

  it('carries the word as the door signed it', () => {
    expect(verify(ticketFor())).toEqual([])
  })

  it('is not good without one, or with one of somebody else', () => {
    expect(verify(undefined)).toEqual(['1: carries no resolution'])
    expect(verify(ticketFor({}, keys.receipt))[0]).toMatch(/no door of ours/)
    expect(verify(signEnvelope('text/plain', said, keys.decision))[0]).toMatch(/no door of ours/)
  })

  it.each<[string, Partial<Resolution>]>([
    ['the opposite', { resolution: 'not_applied' }],
    ['another person', { principal: 'bob@example.org' }],
    ['another write', { writebackId: 'wb_other' }],
    ['other content', { digest: OTHER_DIGEST }],
    ['another organization', { organization: 'rival' }],
  ])('cannot say something else than it: %s', (_what, over) => {
    expect(verify(ticketFor(over))).toEqual(['1: says something else than the resolution that it carries'])
  })

  it('cannot draw another conclusion from it', () => {
    expect(verify(ticketFor(), 'failed')).toHaveLength(1)
  })
})

describe('when keys change', () => {
  const newer = makeKeys()
  const [before] = makeChain(1)
  const said = decision()
  const link = { seq: 2, previous: before ? receiptDigest(before) : null }
  const after = sign(decisionStatement(link, said, signedDecision(said, newer.decision)), newer.receipt)
  const turned = [before, after]
  const check = (trusted: TrustedKey[]): string[] =>
    verifyReceipts(turned, trusted).problems.map(({ position, problem }) => `${position}: ${problem}`)

  it('old receipts and new ones verify with both keys', () => {
    expect(check([...keys.trusted, ...newer.trusted])).toEqual([])
  })

  it('a key that was removed is named: that of a receipt, and that of the decision in one', () => {
    expect(check(newer.trusted)[0]).toContain(`key ${keys.receipt.keyId} is not among those given`)
    expect(check(keys.trusted)).toEqual([
      `2: is not signed by a key that we trust, or was changed: key ${newer.receipt.keyId} is not among those given`,
    ])
    const withoutDoor = [...keys.trusted, ...newer.trusted.filter(({ purpose }) => purpose === 'receipt')]
    expect(check(withoutDoor)).toHaveLength(1)
    expect(check(withoutDoor)[0]).toContain(`key ${newer.decision.keyId} is not among those given`)
  })
})

describe('a receipt whose key was retired', () => {
  const retiredFor = (purpose: TrustedKey['purpose'], retiredAt: string): TrustedKey[] =>
    keys.trusted.map((key) => (key.purpose === purpose ? { ...key, retiredAt } : key))
  const problemsOf = (trusted: readonly TrustedKey[]) =>
    verifyReceipts(makeChain(3), trusted, undefined, { id: RUN_ID }).problems

  // Decisions of the chain are all dated before: what they are carried in says when they were recorded.
  it.each(['receipt', 'decision'] as const)('verifies up to that time, with a retired %s key', (purpose) => {
    expect(problemsOf(retiredFor(purpose, at(3)))).toEqual([])
    const late = problemsOf(retiredFor(purpose, at(2)))
    expect(late.map(({ position }) => position)).toEqual([3])
    expect(late[0]?.problem).toContain(`was retired at ${at(2)}`)
  })
})
