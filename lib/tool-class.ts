/** Whether a tool reads or writes, and whose word that is. */
import type { McpConnectionSpec } from '../schemas/manifests.ts'

export interface ToolClass {
  class: 'read' | 'write'
  /** `nobody`: then it counts as a write. */
  saidBy: 'connection' | 'server' | 'nobody'
}

/** The operator's word first; a server's own only if the operator trusts it; else the worst. */
export function toolClass(
  spec: McpConnectionSpec,
  definition: { name: string; annotations?: Record<string, unknown> | undefined },
): ToolClass {
  const word = Object.hasOwn(spec.tools, definition.name) ? spec.tools[definition.name]?.class : undefined
  if (word) return { class: word, saidBy: 'connection' }
  const reads = spec.trusted && definition.annotations?.['readOnlyHint'] === true
  return reads ? { class: 'read', saidBy: 'server' } : { class: 'write', saidBy: 'nobody' }
}
