/** `countersign manifests`: what is saved. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { stringify } from 'yaml'
import { nearestName } from '../../lib/nearest-name.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { printJson, printLine, printTable } from '../output.ts'

const KINDS = ['Automation', 'Connection', 'Policy'] as const
type Kind = (typeof KINDS)[number]

export function registerManifests(program: Command): void {
  const manifests = describedCommand(program, {
    usage: 'manifests',
    summary: 'look at saved manifests',
    examples: ['manifests list'],
  })
  addListOptions(
    apiCommand(manifests, {
      usage: 'list',
      summary: 'list manifests at their current revision',
      examples: ['manifests list --kind Automation'],
    }).addOption(new Option('--kind <kind>', 'only these').choices(KINDS)),
    { maxLimit: 500 },
  ).action(list)
  registerPolicies(program)
  apiCommand(manifests, {
    usage: 'show <kind> <name>',
    summary: 'print a manifest, as YAML',
    examples: [
      'manifests show Automation late-fee > late-fee.yaml',
      'manifests show Automation late-fee --revision 2',
    ],
  })
    .option('--revision <number>', 'as it was then (else the current one)', toRevision)
    .action(show)
}

/** Policies have no state beside their manifests. */
function registerPolicies(program: Command): void {
  const policies = describedCommand(program, {
    usage: 'policies',
    summary: 'look at the rules for writes',
    examples: ['policies list'],
  })
  addListOptions(
    apiCommand(policies, { usage: 'list', summary: 'list policies', examples: ['policies list'] }),
    { maxLimit: 500 },
  ).action((options: ManifestListOptions) => list({ ...options, kind: 'Policy' }))
  apiCommand(policies, {
    usage: 'show <policy>',
    summary: 'print a policy, as YAML',
    examples: ['policies show billing > policy.yaml'],
  })
    .option('--revision <number>', 'as it was then (else the current one)', toRevision)
    .action((name: string, options: ShowOptions) => show('Policy', name, options))
}

interface ManifestListOptions extends ApiOptions, ListOptions<never> {
  kind?: Kind
}

async function list(options: ManifestListOptions): Promise<void> {
  const { kind } = options
  const page = await openApi(options).listManifests({
    ...listQuery(options),
    ...(kind === undefined ? {} : { kind }),
  })
  if (options.json) return printJson(page)
  const rows = page.items.map((manifest) => [
    manifest.kind,
    manifest.name,
    String(manifest.revision),
    manifest.author,
    manifest.created_at,
  ])
  printTable(['KIND', 'NAME', 'REVISION', 'AUTHOR', 'SAVED'], rows, 'There are no manifests.')
  tellNextPage(page.next_cursor)
}

interface ShowOptions extends ApiOptions {
  revision?: number
}

function toRevision(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be the number of a revision, such as 3.')
}

async function show(kindText: string, name: string, options: ShowOptions): Promise<void> {
  const kind = KINDS.find((known) => known.toLowerCase() === kindText.toLowerCase())
  if (kind === undefined) {
    const nearest = nearestName(kindText, KINDS)
    throw new UsageError(
      `There is no kind ${kindText}.`,
      nearest === undefined ? `It is one of ${KINDS.join(', ')}.` : `Did you mean ${nearest}?`,
    )
  }
  const manifest = await openApi(options).getManifest({
    kind,
    name,
    ...(options.revision === undefined ? {} : { revision: options.revision }),
  })
  if (options.json) return printJson(manifest)
  printLine(stringify(manifest.manifest).trimEnd())
}
