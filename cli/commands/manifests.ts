/** `countersign manifests`: what is saved. */
import { Option, type Command } from 'commander'
import { stringify } from 'yaml'
import { nearestName } from '../../lib/nearest-name.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { printJson, printLine, printTable } from '../output.ts'

const KINDS = ['Automation', 'Connection', 'Policy'] as const
type Kind = (typeof KINDS)[number]

export function registerManifests(program: Command): void {
  const manifests = describedCommand(program, {
    usage: 'manifests',
    summary: 'look at saved manifests',
    examples: ['manifests list'],
  })
  apiCommand(manifests, {
    usage: 'list',
    summary: 'list manifests at their current revision',
    examples: ['manifests list --kind Automation'],
  })
    .addOption(new Option('--kind <kind>', 'only these').choices(KINDS))
    .action(list)
  apiCommand(manifests, {
    usage: 'show <kind> <name>',
    summary: 'print a manifest at its current revision, as YAML',
    examples: ['manifests show Automation late-fee > late-fee.yaml'],
  }).action(show)
}

async function list(options: ApiOptions & { kind?: Kind }): Promise<void> {
  const { kind } = options
  const page = await openApi(options).listManifests({ limit: 500, ...(kind === undefined ? {} : { kind }) })
  if (options.json) return printJson(page)
  const rows = page.items.map((manifest) => [
    manifest.kind,
    manifest.name,
    String(manifest.revision),
    manifest.author,
    manifest.created_at,
  ])
  printTable(['KIND', 'NAME', 'REVISION', 'AUTHOR', 'SAVED'], rows, 'There are no manifests.')
}

async function show(kindText: string, name: string, options: ApiOptions): Promise<void> {
  const kind = KINDS.find((known) => known.toLowerCase() === kindText.toLowerCase())
  if (kind === undefined) {
    const nearest = nearestName(kindText, KINDS)
    throw new UsageError(
      `There is no kind ${kindText}.`,
      nearest === undefined ? `It is one of ${KINDS.join(', ')}.` : `Did you mean ${nearest}?`,
    )
  }
  const manifest = await openApi(options).getManifest({ kind, name })
  if (options.json) return printJson(manifest)
  printLine(stringify(manifest.manifest).trimEnd())
}
