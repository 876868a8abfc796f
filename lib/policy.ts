/**
 * What today's policies say about a call. Pure. Rules are tried in order, policies in the order of their names; the
 * first that matches wins. A rule whose condition cannot be evaluated is taken at its strictest: it matches if it
 * denies or requires, and does not match if it allows.
 */
import { evaluateStrictly, referencesOf, type Scope } from './cel.ts'
import { withAllowance } from './cel-work.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { MAX_POLICY_WORK } from './limits.ts'
import { CodedError } from '../schemas/errors.ts'
import { durationMs } from '../schemas/common.ts'
import type { PolicySpec, Rule, SqlUpdate } from '../schemas/manifests.ts'
import type { Requirement, Requester } from '../schemas/run.ts'

export interface CallFacts {
  connection: string
  operation: string
  executor: string
  automation: string
  class: 'read' | 'write'
  arguments: JsonObject
  patch: JsonObject
  target: JsonObject
  requester: Requester
}

/** What a rule can name of a call itself: of a tool its arguments, of a change of a row the row and its new values. */
export function factsOfTool(args: JsonObject): Pick<CallFacts, 'patch' | 'target'> {
  return { target: {}, patch: args }
}

export function factsOfUpdate({
  table,
  key,
  set,
}: Pick<SqlUpdate, 'table' | 'key' | 'set'>): Pick<CallFacts, 'patch' | 'target'> {
  return { target: { table, key: key as JsonObject }, patch: set as JsonObject }
}

export type Ruling =
  | { effect: 'allow'; rule: string }
  | { effect: 'deny'; rule: string }
  | { effect: 'require'; requirement: Requirement }

const HOUR_MS = 3_600_000

/** Without a rule, a write needs one approver: silence never means yes. */
const DEFAULT_REQUIREMENT: Requirement = {
  policy: '(built in)',
  rule: 'writes-need-an-approver',
  stages: [{ roles: ['approver'], people: [], quorum: 1 }],
  anyRejectEnds: true,
  selfApproval: false,
  identity: 'any',
  expiresAfterMs: 72 * HOUR_MS,
  validForMs: HOUR_MS,
}

/** What is not reached within the work that all rules share is unclear, and so taken at its strictest. */
export function ruleOn(policies: readonly { name: string; spec: PolicySpec }[], facts: CallFacts): Ruling {
  return withAllowance({ left: MAX_POLICY_WORK }, () => firstRuling(policies, facts))
}

function firstRuling(policies: readonly { name: string; spec: PolicySpec }[], facts: CallFacts): Ruling {
  for (const policy of policies.toSorted(byName)) {
    const rule = policy.spec.rules.find((candidate) => matches(candidate, facts))
    if (!rule) continue
    const name = `${policy.name}/${rule.name}`
    if (rule.allow) return { effect: 'allow', rule: name }
    if (rule.require)
      return { effect: 'require', requirement: requirementOf(policy.name, rule.name, rule.require) }
    return { effect: 'deny', rule: name }
  }
  if (facts.class === 'read') return { effect: 'allow', rule: '(built in)/reads-are-allowed' }
  return { effect: 'require', requirement: DEFAULT_REQUIREMENT }
}

/** By code unit: the same everywhere, whatever a database's collation says. */
function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

/**
 * Whether what the policies say depends on who asked. The origin of a write is verified in any case; that of a reading
 * only if this is so.
 */
export function asksWhoAsked(
  policies: readonly { spec: PolicySpec }[],
  facts: Omit<CallFacts, 'requester'>,
): boolean {
  return withAllowance({ left: MAX_POLICY_WORK }, () =>
    policies.some(({ spec }) =>
      spec.rules.some((rule) => fitsCall(rule, facts) && namesRequester(rule.match.when)),
    ),
  )
}

/** What cannot be parsed names nobody, and is taken at its strictest whoever asks. */
function namesRequester(when: string | undefined): boolean {
  if (when === undefined) return false
  try {
    return referencesOf(when).some(([variable]) => variable === 'requester')
  } catch (error) {
    // Rules that were not looked at may name somebody.
    return error instanceof CodedError && error.code === 'EXPRESSION_TOO_COSTLY'
  }
}

function matches(rule: Rule, facts: CallFacts): boolean {
  const { when } = rule.match
  if (!fitsCall(rule, facts)) return false
  return when === undefined || holds(when, facts, rule.allow === undefined)
}

function fitsCall({ match }: Rule, facts: Omit<CallFacts, 'requester'>): boolean {
  if (match.class !== undefined && match.class !== facts.class) return false
  const globs = [
    [match.connection, facts.connection],
    [match.operation, facts.operation],
    [match.executor, facts.executor],
    [match.automation, facts.automation],
  ] as const
  return globs.every(([glob, value]) => glob === undefined || matchesGlob(glob, value))
}

function holds(expression: string, facts: CallFacts, ifUnclear: boolean): boolean {
  const { patch, target, requester } = facts
  const scope: Scope = {
    arguments: facts.arguments,
    patch,
    target,
    requester: requester as unknown as JsonValue,
  }
  try {
    const value = evaluateStrictly(expression, scope)
    return typeof value === 'boolean' ? value : ifUnclear
  } catch {
    return ifUnclear
  }
}

/** `*` stands for any characters, none included. Everything else means itself. */
export function matchesGlob(glob: string, value: string): boolean {
  const [first = '', ...rest] = glob.split('*')
  if (rest.length === 0) return glob === value
  if (!value.startsWith(first)) return false
  const last = rest.pop() ?? ''
  let position = first.length
  for (const part of rest) {
    const found = value.indexOf(part, position)
    if (found === -1) return false
    position = found + part.length
  }
  return value.length - last.length >= position && value.endsWith(last)
}

function requirementOf(policy: string, rule: string, require: NonNullable<Rule['require']>): Requirement {
  return {
    policy,
    rule,
    stages: require.stages,
    anyRejectEnds: require.any_reject_ends,
    selfApproval: require.self_approval,
    identity: require.identity,
    expiresAfterMs: durationMs(require.expires_after),
    validForMs: durationMs(require.valid_for),
  }
}
