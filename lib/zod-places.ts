/** What a zod schema has to say about a value, as places in it. */
import type { z } from 'zod'
import type { ProblemPlace } from '../schemas/problem.ts'
import { pathText } from './path-text.ts'
import { hintFor, type Parsed } from './zod-hints.ts'

type Issue = z.core.$ZodIssue

/**
 * The issues of a value as places. Of a union only the branch that fits best is told: what is wrong with the forms that
 * nobody meant would hide what is wrong with the one that was.
 */
export function placesOf(prefix: string, issues: readonly Issue[], parsed?: Parsed): ProblemPlace[] {
  return issues.flatMap((issue) => issuePlaces(prefix, issue, { before: [], parsed }))
}

interface Around {
  /** Of the value that a union is about, in the whole. */
  before: readonly PropertyKey[]
  parsed: Parsed | undefined
}

function issuePlaces(prefix: string, issue: Issue, { before, parsed }: Around): ProblemPlace[] {
  const path = pathText(prefix, issue.path)
  const at = [...before, ...issue.path]
  const told = { path: path || '(body)', rule: 'schema' } as const
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const keys = alternatives(issue.errors)
    if (keys)
      return [{ ...told, message: `needs one of ${keys.join(', ')}`, hint: 'Add exactly one of them.' }]
    return bestBranch(issue.errors).flatMap((inner) => issuePlaces(path, inner, { before: at, parsed }))
  }
  const isAbsent = issue.code === 'invalid_type' && /received undefined/.test(issue.message)
  const message = isAbsent ? 'is missing' : issue.message
  const hint = parsed && hintFor(issue, at, parsed)
  return [hint === undefined ? { ...told, message } : { ...told, message, hint }]
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
  if (issue.code !== 'invalid_union')
    return issue.code === 'invalid_type' && /received undefined/.test(issue.message)
  return issue.errors.every((branch) => branch.some((inner) => isMissing(inner, 0)))
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
  if (issue.path.length !== 1) return false
  if (issue.code === 'invalid_value') return true
  return issue.code === 'invalid_type' && /received undefined/.test(issue.message)
}
