/** What only a server, or a worker, can say about manifests that are otherwise checked: for people, one text each. */
import { nearestName } from '../lib/nearest-name.ts'
import { secretNames } from '../lib/secret-references.ts'
import type { AutomationSpec, Manifest } from '../schemas/manifests.ts'
import { allSteps } from '../schemas/step-tree.ts'
import { ofKind, type Document } from './document.ts'
import type { Known } from './known.ts'
import { wantedBy } from './warnings.ts'

export function uncheckedOf(documents: readonly Document[], known: Known): string[] {
  const manifests = documents.map(({ manifest }) => manifest)
  const rules = ofKind(documents, 'Policy').flatMap(({ manifest }) => manifest.spec.rules)
  const matched = (field: 'connection' | 'automation') =>
    rules.flatMap(({ match }) => match[field] ?? []).filter((name) => !name.includes('*'))
  const specs = ofKind(documents, 'Automation').map(({ manifest }) => manifest.spec)
  return [
    ...strangers(
      'a connection',
      [...specs.flatMap(connectionsOf), ...matched('connection')],
      [...known.connections.keys()],
    ),
    ...strangers(
      'an automation',
      [...specs.flatMap(automationsOf), ...matched('automation')],
      [...known.automations.keys()],
    ),
    ...toolsOf(specs),
    ...peopleOf(documents),
    ...onWorkers(manifests),
  ]
}

function strangers(what: string, names: readonly string[], known: readonly string[]): string[] {
  return unique(names.filter((name) => !known.includes(name))).map((name) => {
    const nearest = nearestName(name, known)
    const hint = nearest === undefined ? '' : `; did you mean \`${nearest}\`?`
    return `that there is ${what} \`${name}\`, which none of these files has${hint}`
  })
}

function connectionsOf({ steps, triggers }: AutomationSpec): string[] {
  const called = allSteps('', steps).flatMap(({ step }) => {
    if ('tool_call' in step) return [step.tool_call.connection]
    return 'writeback' in step ? [step.writeback.connection] : []
  })
  return [...triggers.map(({ connection }) => connection), ...called]
}

function automationsOf({ steps }: AutomationSpec): string[] {
  return allSteps('', steps).flatMap(({ step }) =>
    'run_automation' in step ? [step.run_automation.automation] : [],
  )
}

function peopleOf(documents: readonly Document[]): string[] {
  const { roles, people } = wantedBy(documents)
  return [
    ...(roles.length > 0 ? [`that somebody has the roles ${roles.join(', ')}`] : []),
    ...(people.length > 0 ? [`that there are ${people.join(', ')}`] : []),
  ]
}

function toolsOf(specs: readonly AutomationSpec[]): string[] {
  const tools = new Map<string, string[]>()
  for (const { step } of specs.flatMap(({ steps }) => allSteps('', steps))) {
    if (!('tool_call' in step)) continue
    const { connection, tool } = step.tool_call
    tools.set(connection, [...(tools.get(connection) ?? []), tool])
  }
  return [...tools].map(
    ([connection, names]) =>
      `that \`${connection}\` has ${unique(names).join(', ')}, and that the arguments fit`,
  )
}

function onWorkers(manifests: readonly Manifest[]): string[] {
  const secrets = unique(secretNames(JSON.stringify(manifests)))
  const commands = manifests.flatMap(({ kind, spec }) =>
    kind === 'Connection' && spec.type === 'mcp' && spec.transport === 'stdio' ? [spec.command] : [],
  )
  return [
    ...(secrets.length > 0 ? [`that the workers have the secrets ${secrets.join(', ')}`] : []),
    ...(commands.length > 0 ? [`that the workers have the commands ${unique(commands).join(', ')}`] : []),
  ]
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}
