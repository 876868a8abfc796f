/** A policy by itself: rules have names of their own, and their conditions name what there is. */
import type { ProblemPlace } from '../schemas/problem.ts'
import { place, type Document } from './document.ts'
import { POLICY_SCOPE } from './expressions.ts'
import { typedExpressionPlaces } from './kinds.ts'

export function policyPlaces({ path, manifest }: Document<'Policy'>): ProblemPlace[] {
  const { rules } = manifest.spec
  const names = rules.map((rule) => rule.name)
  return rules.flatMap(({ name, match }, index) => {
    const at = `${path}.spec.rules[${index}]`
    return [
      ...(names.indexOf(name) === index ? [] : [place(`${at}.name`, `there is a rule \`${name}\` already`)]),
      ...(match.when === undefined
        ? []
        : typedExpressionPlaces(`${at}.match.when`, match.when, { scope: POLICY_SCOPE, kind: 'condition' })),
    ]
  })
}
