/** A connection by itself: what its expressions name exists. Its server is asked when an automation calls a tool. */
import type { JsonObject } from '../lib/json.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import type { Document } from './document.ts'
import { CHECK_RESULT_SCOPE, CHECK_SCOPE, templatePlaces } from './expressions.ts'
import { typedExpressionPlaces } from './kinds.ts'

export function connectionPlaces({ path, manifest }: Document<'Connection'>): ProblemPlace[] {
  const { spec } = manifest
  if (spec.type !== 'mcp') return []
  return Object.entries(spec.tools).flatMap(([tool, { check }]) => {
    if (!check) return []
    const at = `${path}.spec.tools.${tool}.check`
    return [
      ...templatePlaces(`${at}.arguments`, check.arguments as JsonObject, CHECK_SCOPE),
      ...typedExpressionPlaces(`${at}.applied_if`, check.applied_if, {
        scope: CHECK_RESULT_SCOPE,
        kind: 'condition',
      }),
    ]
  })
}
