/** What a zod schema has to say about a value, as places in it. */
import type { z } from 'zod'
import type { ProblemPlace } from '../schemas/problem.ts'
import { pathText } from './path-text.ts'
import { actionHint, hintFor, type Parsed } from './zod-hints.ts'
import { isMissingSentence } from './zod-sentences.ts'

type Issue = z.core.$ZodIssue

/** One thing that is wrong: `oneOf` where the value has none of the keys by which its forms are told apart. */
export interface Leaf {
  path: readonly PropertyKey[]
  issue: Issue
  oneOf?: readonly string[]
}

/** The issues of a value as places. */
export function placesOf(prefix: string, issues: readonly Issue[], parsed?: Parsed): ProblemPlace[] {
  return leavesOf(issues).map((leaf, index) => placeOf(prefix, leaf, index < MAX_HINTS ? parsed : undefined))
}

/** A hint looks through the whole schema; of more places than this nobody is told, or wants to be. */
const MAX_HINTS = 200

/**
 * Of a union only the branch that fits best is told: what is wrong with the forms that nobody meant would hide what is
 * wrong with the one that was. The same holds for what is missing beside a word that says which form it is.
 */
export function leavesOf(issues: readonly Issue[], before: readonly PropertyKey[] = []): Leaf[] {
  return withoutOtherForms(issues).flatMap((issue): Leaf[] => {
    const path = [...before, ...issue.path]
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ path, issue }]
    const oneOf = alternatives(issue.errors)
    return oneOf ? [{ path, issue, oneOf }] : leavesOf(bestBranch(issue.errors), path)
  })
}

function placeOf(prefix: string, { path, issue, oneOf }: Leaf, parsed: Parsed | undefined): ProblemPlace {
  const told = { path: pathText(prefix, path) || '(body)', rule: 'schema' } as const
  if (oneOf) {
    const hint = (parsed && actionHint(path, parsed, oneOf)) ?? 'Add exactly one of them.'
    return { ...told, message: `needs one of ${oneOf.join(', ')}`, hint }
  }
  const message = isAbsent(issue) ? 'is missing' : issue.message
  const hint = parsed && hintFor(issue, path, parsed)
  return hint === undefined ? { ...told, message } : { ...told, message, hint }
}

/** Words by which a form is told: with another one, all else that is wrong beside it is of a form that nobody meant. */
const TELLING = new Set<PropertyKey | undefined>(['type', 'kind', 'transport'])

function withoutOtherForms(issues: readonly Issue[]): readonly Issue[] {
  const told = issues.filter((issue) => isWord(issue) && TELLING.has(issue.path.at(-1)))
  const parents = new Set(told.map(({ path }) => pathText('', path.slice(0, -1))))
  return issues.filter((issue) => {
    if (told.includes(issue)) return true
    const parent = issue.code === 'unrecognized_keys' ? issue.path : issue.path.slice(0, -1)
    return !(parents.has(pathText('', parent)) && (issue.code === 'unrecognized_keys' || isAbsent(issue)))
  })
}

function isWord(issue: Issue): boolean {
  return issue.code === 'invalid_value' && !isMissingSentence(issue.message)
}

/** Where each branch is told by a key of its own, and none of them is there. */
function alternatives(branches: readonly (readonly Issue[])[]): string[] | undefined {
  const keys = branches.map((branch) =>
    branch.filter((issue) => isMissing(issue)).map(({ path }) => String(path.at(-1))),
  )
  const own = keys.map((missing) => missing.filter((key) => !keys.every((others) => others.includes(key))))
  return branches.length > 2 && own.every((missing) => missing.length === 1) ? own.flat() : undefined
}

function isMissing(issue: Issue, depth = 1): boolean {
  if (issue.path.length !== depth) return false
  if (issue.code !== 'invalid_union') return isAbsent(issue)
  return issue.errors.every((branch) => branch.some((inner) => isMissing(inner, 0)))
}

function isAbsent({ code, message }: Issue): boolean {
  return code === 'invalid_type' && isMissingSentence(message)
}

/** The branch with the fewest complaints about the value itself: its own keys and type, not what lies deeper. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const [first = [], ...others] = branches
  return others.reduce((best, branch) => (mismatch(branch) < mismatch(best) ? branch : best), first)
}

function mismatch(issues: readonly Issue[]): number {
  const shallow = issues.filter((issue) => issue.path.length === 0 || isMissingOrWrongKind(issue))
  return shallow.length * 1_000 + issues.length
}

function isMissingOrWrongKind(issue: Issue): boolean {
  return issue.path.length === 1 && (issue.code === 'invalid_value' || isAbsent(issue))
}
