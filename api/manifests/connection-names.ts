/** Names of connections in an automation. */
import type { ConnectionSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { place, unknownName } from './document.ts'

/** Connections by name: those stored, with those of the same request over them. */
export type Connections = ReadonlyMap<string, ConnectionSpec>

export function connectionNamePlaces(
  path: string,
  name: string,
  type: ConnectionSpec['type'],
  connections: Connections,
): ProblemPlace[] {
  const spec = connections.get(name)
  if (!spec) return [noConnection(path, name, connections)]
  if (spec.type === type) return []
  return [place(path, `connection \`${name}\` is of type ${spec.type}; this step needs one of type ${type}`)]
}

export function noConnection(path: string, name: string, connections: Connections): ProblemPlace {
  return unknownName(path, `there is no connection \`${name}\``, name, [...connections.keys()])
}
