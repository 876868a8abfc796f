/** `countersign validate`: what can be wrong with manifests and needs no server to be seen, all of it at once. */
import type { Command } from 'commander'
import { documentPlaces, knownOf } from '../../manifests/check.ts'
import { parseDocuments } from '../../manifests/document.ts'
import { uncheckedOf } from '../../manifests/unchecked.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { describedCommand } from '../context.ts'
import { EXIT_CODES } from '../errors.ts'
import { MalformedFile, manifestFiles, readManifestFile, type ManifestSource } from '../files.ts'
import { note, printJson, printLine, styled, styledNote, visible } from '../output.ts'

interface Finding extends ProblemPlace {
  /** Where in the file, such as `late-fee.yaml:12:5`. */
  place: string
}

interface ValidateOptions {
  file: string[]
  json?: boolean
}

export function registerValidate(program: Command): void {
  describedCommand(program, {
    usage: 'validate',
    summary: 'check manifests without a server: everything that is wrong with them, with its place',
    examples: ['validate -f manifests/', 'validate -f late-fee.yaml -f connections.yaml --json'],
  })
    .requiredOption('-f, --file <path...>', 'YAML or JSON file, folder of them, or - for standard input')
    .option('--json', 'print JSON')
    .action(validate)
}

async function validate(options: ValidateOptions): Promise<void> {
  const { sources, malformed } = readSources(options.file)
  const { documents, places } = parseDocuments(sources.map(({ manifest }) => manifest))
  const known = knownOf(
    documents.map(({ manifest }) => manifest),
    true,
  )
  const found = [...places, ...(await documentPlaces(documents, known))]
  const wrong = found.map((place) => located(place, sources))
  const errors = [...malformed, ...wrong]
  const unchecked = uncheckedOf(documents, known)
  if (options.json) printJson({ valid: errors.length === 0, errors, not_checked: unchecked })
  else show(sources, errors, unchecked)
  if (errors.length > 0) process.exitCode = EXIT_CODES.failed
}

/** A file that is not YAML is one more thing that is wrong, and does not keep the others from being looked at. */
function readSources(paths: readonly string[]): { sources: ManifestSource[]; malformed: Finding[] } {
  const malformed: Finding[] = []
  const sources = manifestFiles(paths).flatMap((path) => {
    try {
      return readManifestFile(path)
    } catch (error) {
      if (!(error instanceof MalformedFile)) throw error
      const hint = error.hint === undefined ? {} : { hint: error.hint }
      malformed.push({ place: error.place, path: '', rule: 'yaml', message: error.reason, ...hint })
      return []
    }
  })
  return { sources, malformed }
}

/** The checks count the manifests; people know their files. */
function located(place: ProblemPlace, sources: readonly ManifestSource[]): Finding {
  const [, index = '', path = ''] = /^manifests\[(\d+)\]\.?(.*)$/.exec(place.path) ?? []
  const source = sources[Number(index)]
  return { ...place, path, place: source?.placeOf(path) ?? '' }
}

function show(
  sources: readonly ManifestSource[],
  errors: readonly Finding[],
  unchecked: readonly string[],
): void {
  for (const { place, path, message, hint } of errors) {
    printLine(`${styled('bold', visible(place))}${path === '' ? '' : `  ${visible(path)}`}`)
    printLine(`  ${styled('red', visible(message))}`)
    if (hint !== undefined) printLine(`  ${visible(hint)}`)
  }
  if (unchecked.length > 0) note('not checked without a server:')
  for (const text of unchecked) note(`  ${visible(text)}`)
  if (errors.length === 0) printLine(`${styled('green', '✓')} ${counted(sources.length, 'manifest')}`)
  else note(styledNote('red', counted(errors.length, 'problem')))
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
