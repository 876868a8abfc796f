/** `countersign apply`: saves manifests, all of them or none, and says of each what happened. */
import type { Command } from 'commander'
import { ApiError } from '../../sdk/client/index.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { readManifests, type ManifestSource } from '../files.ts'
import { note, printJson, printTable } from '../output.ts'

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
  const sources = readManifests(options.file)
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
  if (options.json) return printJson({ results, warnings })
  const rows = results.map(({ kind, name, revision, status }) => [kind, name, String(revision), status])
  printTable(['KIND', 'NAME', 'REVISION', ''], rows, 'Nothing was applied.')
  for (const { connection, message } of warnings) note(`Connection ${connection}: ${message}`)
}

/** The API counts the manifests of the request; people know their files. */
function withFiles(error: ApiError, sources: readonly ManifestSource[]): ApiError {
  const errors = error.errors.map((place) => {
    const [, index = '', rest = ''] = /^manifests\[(\d+)\]\.?(.*)$/.exec(place.path) ?? []
    const source = index === '' ? undefined : sources[Number(index)]
    if (source === undefined) return place
    return { ...place, path: rest === '' ? source.label : `${source.label} ${rest}` }
  })
  const { status, code, detail, hint, requestId } = error
  const title = error.message.slice(0, error.message.length - detail.length).trim()
  const problem = { title, status, code, detail, hint, errors }
  return new ApiError(requestId === undefined ? problem : { ...problem, request_id: requestId }, error)
}
