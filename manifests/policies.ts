/** A policy by itself: rules have names of their own, and their conditions name what there is. */
import type { Rule } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { place, type Document } from './document.ts'
import { POLICY_SCOPE } from './expressions.ts'
import { typedExpressionPlaces } from './kinds.ts'

type Stage = NonNullable<Rule['require']>['stages'][number]

export function policyPlaces({ path, manifest }: Document<'Policy'>): ProblemPlace[] {
  const { rules } = manifest.spec
  const names = rules.map((rule) => rule.name)
  return rules.flatMap(({ name, match, require }, index) => {
    const at = `${path}.spec.rules[${index}]`
    return [
      ...(names.indexOf(name) === index
        ? []
        : [place('duplicate-name', `${at}.name`, `there is a rule \`${name}\` already`)]),
      ...(match.when === undefined
        ? []
        : typedExpressionPlaces(`${at}.match.when`, match.when, { scope: POLICY_SCOPE, kind: 'condition' })),
      ...quorumPlaces(`${at}.require.stages`, require?.stages ?? []),
    ]
  })
}

/** Who has a role nobody knows here, but people that are named can be counted. */
function quorumPlaces(path: string, stages: readonly Stage[]): ProblemPlace[] {
  return stages.flatMap(({ roles, people, quorum }, index) => {
    const count = new Set(people).size
    if (roles.length > 0 || quorum <= count) return []
    const message = `is ${quorum}, and only ${count} ${count === 1 ? 'person counts' : 'people count'}`
    return [place('impossible-quorum', `${path}[${index}].quorum`, message, 'Name more people, or a role.')]
  })
}
