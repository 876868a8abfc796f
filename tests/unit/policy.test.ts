import { describe, expect, it } from 'vitest'
import { evaluateExpression } from '../../lib/cel.ts'
import { asksWhoAsked, matchesGlob, ruleOn, type CallFacts } from '../../lib/policy.ts'
import { PolicySpecSchema, type PolicySpec, type Rule } from '../../schemas/manifests.ts'
import { requester } from '../support/fixtures.ts'

const policy = (name: string, ...rules: object[]): { name: string; spec: PolicySpec } => ({
  name,
  spec: PolicySpecSchema.parse({ rules }),
})
const allow = (name: string, match = {}): object => ({ name, match, allow: true })
const deny = (name: string, match = {}): object => ({ name, match, deny: true })
const require = (name: string, match = {}, over = {}): object => ({
  name,
  match,
  require: { stages: [{ roles: ['finance'] }], ...over },
})

function facts(over: Partial<CallFacts> = {}): CallFacts {
  return {
    connection: 'billing',
    operation: 'update',
    executor: 'sql',
    automation: 'late-fee',
    class: 'write',
    arguments: { table: 'invoices' },
    patch: { late_fee_cents: 0 },
    target: { table: 'invoices', key: { id: 7 } },
    requester: requester(),
    ...over,
  }
}

const ruling = (policies: Parameters<typeof ruleOn>[0], over: Partial<CallFacts> = {}): string => {
  const said = ruleOn(policies, facts(over))
  return said.effect === 'require'
    ? `require ${said.requirement.policy}/${said.requirement.rule}`
    : `${said.effect} ${said.rule}`
}

describe('without a rule that matches', () => {
  it('a reading is allowed, and a write needs an approver', () => {
    expect(ruling([], { class: 'read' })).toBe('allow (built in)/reads-are-allowed')
    expect(ruleOn([policy('p', deny('d', { connection: 'other' }))], facts())).toEqual({
      effect: 'require',
      requirement: {
        policy: '(built in)',
        rule: 'writes-need-an-approver',
        stages: [{ roles: ['approver'], people: [], quorum: 1 }],
        anyRejectEnds: true,
        selfApproval: false,
        identity: 'any',
        expiresAfterMs: 72 * 3_600_000,
        validForMs: 3_600_000,
      },
    })
  })
})

describe('order', () => {
  it('within a policy is that of the rules', () => {
    expect(ruling([policy('p', allow('one'), deny('two'))])).toBe('allow p/one')
    expect(ruling([policy('p', deny('two'), allow('one'))])).toBe('deny p/two')
    expect(ruling([policy('p', allow('other', { connection: 'x' }), require('this'))])).toBe('require p/this')
  })

  it('of policies is that of their names, however they come', () => {
    const policies = [
      policy('b', deny('d')),
      policy('a', allow('x')),
      policy('a1', require('r')),
      policy('a_b', deny('d')),
    ]
    expect(ruling(policies)).toBe('allow a/x')
    expect(ruling(policies.toReversed())).toBe('allow a/x')
    // A database that sorts as people do puts a_b before a1.
    expect(ruling([policies[3], policies[2]].filter((one) => one !== undefined))).toBe('require a1/r')
  })

  it('goes on to the next policy where none matches', () => {
    expect(ruling([policy('a', allow('x', { connection: 'other' })), policy('b', deny('d'))])).toBe(
      'deny b/d',
    )
  })
})

describe('a match', () => {
  it.each<[Record<string, unknown>, boolean]>([
    [{}, true],
    [{ connection: 'billing' }, true],
    [{ connection: 'bill*' }, true],
    [{ connection: 'billin' }, false],
    [{ operation: '*date' }, true],
    [{ operation: 'delete' }, false],
    [{ executor: 'sql' }, true],
    [{ executor: 'mcp_tool' }, false],
    [{ automation: '*-*' }, true],
    [{ automation: 'late' }, false],
    [{ class: 'write' }, true],
    [{ class: 'read' }, false],
    [{ connection: 'billing', operation: 'delete' }, false],
    [
      { connection: 'billing', operation: 'update', executor: '*', automation: 'late-fee', class: 'write' },
      true,
    ],
    [{ when: 'patch.late_fee_cents == 0' }, true],
    [{ when: 'patch.late_fee_cents > 0' }, false],
    [{ when: 'arguments.table == "invoices" && target.key.id == 7' }, true],
    [{ when: 'requester.kind == "service" && !("carol" in requester.onBehalfOf)' }, true],
    [{ connection: 'other', when: 'patch.late_fee_cents == 0' }, false],
  ])('%j: %s', (match, expected) => {
    expect(ruling([policy('p', deny('d', match))])).toBe(
      expected ? 'deny p/d' : 'require (built in)/writes-need-an-approver',
    )
  })
})

describe('a condition that cannot be evaluated', () => {
  const unclear = [
    ['names nothing', 'patch.amount > 100'],
    ['gives no yes or no', 'patch.late_fee_cents'],
    ['is no expression', 'patch ..'],
    ['compares what cannot be compared', 'target.table > 5'],
  ] as const

  it.each(unclear)('(%s) does not allow', (_why, when) => {
    expect(ruling([policy('p', allow('a', { when }), deny('d'))])).toBe('deny p/d')
  })
  it.each(unclear)('(%s) denies', (_why, when) => {
    expect(ruling([policy('p', deny('d', { when }), allow('a'))])).toBe('deny p/d')
  })
  it.each(unclear)('(%s) asks', (_why, when) => {
    expect(ruling([policy('p', require('r', { when }), allow('a'))])).toBe('require p/r')
  })
})

describe('what is asked for', () => {
  it('is what the rule says, in milliseconds', () => {
    const over = {
      stages: [{ roles: ['finance'], quorum: 2 }, { people: ['cfo@example.org'] }],
      any_reject_ends: false,
      self_approval: true,
      identity: 'verified',
      expires_after: '2d',
      valid_for: '30s',
    }
    expect(ruleOn([policy('p', require('r', {}, over))], facts())).toEqual({
      effect: 'require',
      requirement: {
        policy: 'p',
        rule: 'r',
        stages: [
          { roles: ['finance'], people: [], quorum: 2 },
          { roles: [], people: ['cfo@example.org'], quorum: 1 },
        ],
        anyRejectEnds: false,
        selfApproval: true,
        identity: 'verified',
        expiresAfterMs: 2 * 86_400_000,
        validForMs: 30_000,
      },
    })
  })

  it('of a rule without an effect, which no manifest can have, is a denial', () => {
    const broken = { name: 'p', spec: { rules: [{ name: 'r', match: {} } as Rule] } }
    expect(ruling([broken])).toBe('deny p/r')
  })
})

describe('a glob', () => {
  it.each<[string, string, boolean]>([
    ['', '', true],
    ['*', '', true],
    ['*', 'anything', true],
    ['**', 'x', true],
    ['a', 'a', true],
    ['a', 'A', false],
    ['a', 'ab', false],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['*a', 'ba', true],
    ['*a', 'ab', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['ab*ba', 'aba', false],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'acb', false],
    ['a*bc*c', 'abc', false],
    ['a*bc*c', 'abcc', true],
    ['*b*', 'abc', true],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[a]', 'a', false],
    ['(a+)+$', '(a+)+$', true],
  ])('%s on %s: %s', (glob, value, expected) => {
    expect(matchesGlob(glob, value)).toBe(expected)
  })

  it('ends over a long text', () => {
    const startMs = performance.now()
    expect(matchesGlob(`${'a*'.repeat(60)}b`, 'a'.repeat(100_000))).toBe(false)
    // By trying all ways it takes years.
    expect(performance.now() - startMs).toBeLessThan(30_000)
  })
})

describe('whether it depends on who asked', () => {
  const { requester: _nobody, ...reading } = facts({ class: 'read' })

  it.each<[string, object, boolean]>([
    ['a rule that names the requester', { when: 'requester.kind == "agent"' }, true],
    [
      'one that names the requester somewhere',
      { when: 'arguments.table == "x" || has(requester.kind)' },
      true,
    ],
    [
      'one that names a variable of its own so',
      { when: '["x"].exists(requester, requester == arguments.table)' },
      false,
    ],
    ['one that names something else', { when: 'arguments.table == "requester"' }, false],
    ['one that fits other calls only', { when: 'requester.kind == "agent"', class: 'write' }, false],
    [
      'one that fits other connections only',
      { when: 'requester.kind == "agent"', connection: 'other' },
      false,
    ],
    ['one that cannot be parsed', { when: 'requester.kind ==' }, false],
    ['one without a condition', {}, false],
  ])('%s: %s', (_what, match, expected) => {
    expect(asksWhoAsked([policy('a', allow('x')), policy('b', deny('d', match))], reading)).toBe(expected)
  })
})

describe('values of different kinds', () => {
  const patch = {
    waived: 'true',
    level: '9',
    tags: ['vip', 7],
    meta: { a: '1' },
    none: null,
    due: '2026-01-01',
  }

  it.each([
    'patch.waived == true',
    'patch.waived != true',
    'patch.level == 9',
    'patch.level != 9.0',
    '!(patch.level == 9)',
    'patch.level in [1, 2, 9]',
    'patch.level in [1, null]',
    '9 in patch.meta',
    '!(patch.level in [1])',
    'patch.tags == [7, "vip"]',
    'patch.meta == {"a": 1}',
    '[patch.meta] == [{"a": 1}]',
    'patch.tags == "vip"',
    'patch.tags.exists(tag, tag == true)',
    'timestamp("2026-01-01T00:00:00Z") == patch.due',
    'double("NaN") >= 1000.0',
    'double(patch.waived) >= 1000.0',
    'patch.level > 9',
    'double("1e999") < 1000.0',
  ])('have no answer: %s', (when) => {
    const policies = (effect: typeof allow) => [policy('p', effect('r', { when }))]
    expect(ruling(policies(deny), { patch })).toBe('deny p/r')
    expect(ruling(policies(require), { patch })).toBe('require p/r')
    expect(ruling(policies(allow), { patch })).toBe('require (built in)/writes-need-an-approver')
  })

  it.each<[string, boolean]>([
    ['patch.level == "9"', true],
    ['patch.level == "0x9"', false],
    ['patch.level != null', true],
    ['patch.none == null', true],
    ['null == patch.none', true],
    ['patch.none == 9', false],
    ['patch.none != 9', true],
    ['patch.none in [9, "x"]', false],
    ['patch.level in ["8", "9", 9]', true],
    ['patch.level in ["8", null]', false],
    ['7 in patch.tags', true],
    ['"a" in patch.meta', true],
    ['"b" in patch.meta', false],
    ['patch.meta == {"b": 1}', false],
    ['patch.meta == {"a": "1"}', true],
    ['patch.tags == ["vip"]', false],
    ['patch.tags == ["vip", 7.0]', true],
    ['target.key.id == 7.0 && 7 == target.key.id', true],
    ['patch.level == 9 || requester.kind == "service"', true],
    ['patch.level == 9 && requester.kind == "agent"', false],
  ])('are the only ones without: %s is %s', (when, expected) => {
    expect(ruling([policy('p', deny('r', { when }))], { patch })).toBe(
      expected ? 'deny p/r' : 'require (built in)/writes-need-an-approver',
    )
  })

  it('are compared as ever where no policy asks', () => {
    expect(evaluateExpression('x == 9', { x: '9' })).toBe(false)
    expect(ruling([policy('p', deny('r', { when: 'patch.level == 9' }))], { patch })).toBe('deny p/r')
    expect(evaluateExpression('patch.level == 9', { patch, target: {}, arguments: {}, requester: {} })).toBe(
      false,
    )
  })
})
