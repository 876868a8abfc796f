/** `countersign apply`: saves manifests, all of them or none, and says of each what happened. */
import type { Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { ApiError, type Client } from '../../sdk/client/index.ts'
import { checkHere } from '../check-here.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { MalformedFile, type Flaw } from '../file-text.ts'
import { inItsFile, readManifests, type ManifestSource } from '../files.ts'
import { note, printJson, printTable, styledNote, visible } from '../output.ts'

/** For what is only a warning. */
const PATIENCE_MS = 12_000

interface ApplyOptions extends ApiOptions {
  file: string[]
  expectedRevision?: string
}

export function registerApply(program: Command): void {
  apiCommand(program, {
    usage: 'apply',
    summary: 'save manifests: connections, policies, automations; all of them or, if one is wrong, none',
    examples: ['apply -f manifests/', 'apply -f policy.yaml -f late-fee.yaml', 'apply -f -  < late-fee.yaml'],
  })
    .requiredOption('-f, --file <path...>', 'YAML or JSON file, folder of them, or - for standard input')
    .option(
      '--expected-revision <number>',
      'refuse if the manifest has another revision now (0: if it exists)',
    )
    .action(apply)
}

async function apply(options: ApplyOptions): Promise<void> {
  const { sources, flaws } = readManifests(options.file)
  if (flaws.length > 0) throw new MalformedFile([...flaws, ...(await flawsHere(sources))])
  const expected = options.expectedRevision
  if (expected !== undefined && !/^\d{1,9}$/.test(expected)) {
    throw new UsageError(`--expected-revision ${expected} is not a number.`)
  }
  const { results, warnings } = await openApi(options)
    .applyManifests({
      manifests: sources.map(({ manifest }) => manifest),
      ...(expected === undefined ? {} : { expected_revision: Number(expected) }),
    })
    .catch((error: unknown) => {
      throw error instanceof ApiError ? withFiles(error, sources) : error
    })
  const told = warnings.map((warning) => inFile(warning, sources))
  if (options.json) return printJson({ results, warnings: told })
  for (const { path, message, hint } of told) {
    note(`${styledNote('yellow', 'warning')} ${visible(path)}: ${visible(message)}`)
    if (hint !== undefined) note(`  ${visible(hint)}`)
  }
  const rows = results.map(({ kind, name, revision, status }) => [kind, name, String(revision), status])
  printTable(['KIND', 'NAME', 'REVISION', ''], rows, 'Nothing was applied.')
  const changed = results.filter(({ kind, status }) => kind === 'Connection' && status === 'changed')
  await warnOfUnreachable(
    openApi(options),
    changed.map(({ name }) => name),
  )
}

/** Nothing is sent while a file cannot be read as it stands; what can be seen here of all files is told with it. */
async function flawsHere(sources: readonly ManifestSource[]): Promise<Flaw[]> {
  const { wrong } = await checkHere(sources)
  return wrong.map(({ place, path, message, hint }) => ({
    place: `${place} ${path}`.trim(),
    message: hint === undefined ? message : `${message}. ${hint}`,
  }))
}

/** They are saved all the same: a server may come later. Whoever has mistyped its address learns it now. */
async function warnOfUnreachable(client: Client, connections: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answers = connections.map((name) =>
    client.checkConnection({ name }, { signal }).then(
      () => [],
      (error: unknown) => [{ name, error }],
    ),
  )
  for (const { name, error } of (await Promise.all(answers)).flat()) {
    const { message, hint } =
      error instanceof ApiError ? error : { message: `no answer within ${PATIENCE_MS / 1_000} s.`, hint: '' }
    note(`${styledNote('yellow', 'warning')}: ${name} is saved, and does not work yet: ${visible(message)}`)
    note(
      `  ${[visible(hint), `Look again: countersign connections check ${shellWord(name)}`].join(' ').trim()}`,
    )
  }
}

/** `late-fee.yaml:12:5 spec.steps[1].if` */
function inFile(place: ProblemPlace, sources: readonly ManifestSource[]): ProblemPlace {
  const at = inItsFile(place, sources)
  return at ? { ...place, path: `${at.place} ${at.path}`.trim() } : place
}

/** The API counts the manifests of the request; people know their files. */
function withFiles(error: ApiError, sources: readonly ManifestSource[]): ApiError {
  const errors = error.errors.map((place) => inFile(place, sources))
  const { status, code, detail, hint, requestId } = error
  const title = error.message.slice(0, error.message.length - detail.length).trim()
  const problem = { title, status, code, detail, hint, errors }
  return new ApiError(requestId === undefined ? problem : { ...problem, request_id: requestId }, error)
}
