/** `countersign import`: a workflow definition in JSON as an automation, printed for whoever applies it. */
import { InvalidArgumentError, type Command } from 'commander'
import { Document, isNode } from 'yaml'
import type { Imported } from '../../manifests/import.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { describedCommand } from '../context.ts'
import { PlacesError } from '../errors.ts'
import { readYamlFile } from '../files.ts'
import { note, printJson, styledNote, visible } from '../output.ts'

interface ImportCommandOptions {
  name?: string
  connection?: ReadonlyMap<string, string>
  json?: boolean
}

export function registerImport(program: Command): void {
  describedCommand(program, {
    usage: 'import <file>',
    summary: 'print a workflow definition in JSON (steps of type tool_call and code) as an automation',
    examples: [
      'import flow.json > flow.yaml',
      'import flow.json --name digest --connection "Billing System=billing" --connection i:files=notes',
    ],
  })
    .option('--name <name>', 'of the automation (default: made from that of the definition)')
    .option(
      '--connection <integration=name>',
      'connection that stands for an integration (default: made from its id or name); repeatable',
      addConnection,
    )
    .option('--json', 'print manifest and warnings as JSON')
    .action(importFile)
}

function addConnection(text: string, known?: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const at = text.lastIndexOf('=')
  if (at < 1 || at === text.length - 1)
    throw new InvalidArgumentError('It must be the integration, =, and the name of the connection.')
  return new Map([...(known ?? []), [text.slice(0, at), text.slice(at + 1)]])
}

async function importFile(file: string, options: ImportCommandOptions): Promise<void> {
  const { importDefinition } = await import('../../manifests/import.ts')
  const { value, placeOf } = readYamlFile(file)
  const { name, connection: connections = new Map() } = options
  const imported = await importDefinition(value, { name, connections })
  if (!imported.ok)
    throw new PlacesError(
      'INVALID_DEFINITION',
      `${file} cannot be imported.`,
      located(imported.places, placeOf),
    )
  const warnings = located(imported.warnings, placeOf)
  for (const { path, message, hint } of options.json ? [] : warnings)
    note(
      `${styledNote('yellow', visible(path))}: ${visible(message)}${hint === undefined ? '' : ` ${visible(hint)}`}`,
    )
  if (options.json) printJson({ manifest: imported.manifest, warnings })
  else process.stdout.write(yamlOf(imported))
}

/** `flow.json:12:5 steps[1].def.name` */
function located(places: readonly ProblemPlace[], placeOf: (path: string) => string): ProblemPlace[] {
  return places.map((place) => ({ ...place, path: `${placeOf(place.path)} ${place.path}`.trim() }))
}

/** What the definition says of its steps stands above them. */
function yamlOf({ manifest, comments }: Imported): string {
  const document = new Document(manifest)
  for (const [index, comment] of comments.entries()) {
    const step: unknown = document.getIn(['spec', 'steps', index], true)
    if (isNode(step) && comment !== undefined) step.commentBefore = comment.replace(/^/gm, ' ')
  }
  return document.toString({ lineWidth: 0, singleQuote: true })
}
