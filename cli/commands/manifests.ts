/** `countersign manifests`: what is saved. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { stringify } from 'yaml'
import { nearestName } from '../../lib/nearest-name.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { canAsk, confirm } from '../confirm.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { note, printJson, printLine, printTable } from '../output.ts'

const KINDS = ['Automation', 'Connection', 'Policy'] as const
type Kind = (typeof KINDS)[number]

export function registerManifests(program: Command): void {
  const manifests = describedCommand(program, {
    usage: 'manifests',
    summary: 'look at saved manifests, take one out of use',
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
  apiCommand(manifests, {
    usage: 'remove <kind> <name>',
    summary: 'take a manifest out of use; refused while something that is saved or open needs it',
    examples: ['manifests remove Automation late-fee', 'manifests remove Connection old-billing --yes'],
  })
    .option('-y, --yes', 'do not ask')
    .action(remove)
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

function kindOf(text: string): Kind {
  const kind = KINDS.find((known) => known.toLowerCase() === text.toLowerCase())
  if (kind !== undefined) return kind
  const nearest = nearestName(text, KINDS)
  throw new UsageError(
    `There is no kind ${text}.`,
    nearest === undefined ? `It is one of ${KINDS.join(', ')}.` : `Did you mean ${nearest}?`,
  )
}

async function remove(
  kindText: string,
  name: string,
  options: ApiOptions & { yes?: boolean },
): Promise<void> {
  const kind = kindOf(kindText)
  if (!options.yes && !canAsk()) {
    throw new UsageError('Here nobody can be asked whether this is meant.', 'Add --yes.')
  }
  if (!options.yes && !(await confirm(`Take ${kind} ${name} out of use? [y/N] `))) {
    note('Nothing was removed.')
    process.exitCode = EXIT_CODES.failed
    return
  }
  const answer = await openApi(options).removeManifest({ kind, name })
  if (options.json) return printJson(answer)
  printLine(`${kind} ${name} is no longer in use. Runs that have begun keep the revision they started with.`)
}

async function show(kindText: string, name: string, options: ShowOptions): Promise<void> {
  const kind = kindOf(kindText)
  const manifest = await openApi(options).getManifest({
    kind,
    name,
    ...(options.revision === undefined ? {} : { revision: options.revision }),
  })
  if (options.json) return printJson(manifest)
  printLine(stringify(manifest.manifest).trimEnd())
}
