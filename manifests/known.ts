/** What there is to refer to, and names in an automation that refer to it. */
import type { AutomationSpec, ConnectionSpec } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { place, unknownName } from './document.ts'

/** By name: that which is stored, with that of the same request over it. */
export interface Known {
  connections: ReadonlyMap<string, ConnectionSpec>
  automations: ReadonlyMap<string, AutomationSpec>
  /** Those of the request whose form is wrong, as `idText` says them: they are there, and nothing is known of them. */
  broken?: ReadonlySet<string>
  /** Whether there may be more, as where nobody has asked a server: then a strange name is no mistake. */
  mayBeMore: boolean
}

export function connectionNamePlaces(
  path: string,
  name: string,
  type: ConnectionSpec['type'],
  known: Known,
): ProblemPlace[] {
  const spec = known.connections.get(name)
  if (!spec) return noConnection(path, name, known)
  if (spec.type === type) return []
  return [
    place(
      'wrong-kind',
      path,
      `connection \`${name}\` is of type ${spec.type}; here one of type ${type} is needed`,
    ),
  ]
}

export function idText({ kind, name }: { kind: string; name: string }): string {
  return `${kind} ${name}`
}

function noConnection(path: string, name: string, known: Known): ProblemPlace[] {
  const { connections, broken, mayBeMore } = known
  if (mayBeMore || connections.has(name) || broken?.has(idText({ kind: 'Connection', name }))) return []
  return [unknownName(path, `there is no connection \`${name}\``, name, [...connections.keys()])]
}

export function noAutomation(path: string, name: string, known: Known): ProblemPlace[] {
  const { automations, broken, mayBeMore } = known
  if (mayBeMore || automations.has(name) || broken?.has(idText({ kind: 'Automation', name }))) return []
  return [unknownName(path, `there is no automation \`${name}\``, name, [...automations.keys()])]
}
