/** `countersign validate`: what can be wrong with manifests and needs no server to be seen, all of it at once. */
import type { Command } from 'commander'
import { checkHere, type Finding } from '../check-here.ts'
import { describedCommand } from '../context.ts'
import { EXIT_CODES } from '../errors.ts'
import { readManifests, type ManifestSource } from '../files.ts'
import { note, printJson, printLine, styled, styledNote, visible } from '../output.ts'

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
  const { uncheckedOf } = await import('../../manifests/unchecked.ts')
  const { sources, flaws } = readManifests(options.file)
  const { parsed, known, wrong } = await checkHere(sources)
  const malformed = flaws.map((flaw): Finding => ({ ...flaw, path: '', rule: 'yaml' }))
  const errors = [...malformed, ...wrong]
  const unchecked = uncheckedOf(parsed.documents, known)
  if (options.json) printJson({ valid: errors.length === 0, errors, not_checked: unchecked })
  else show(sources, errors, unchecked)
  if (errors.length > 0) process.exitCode = EXIT_CODES.failed
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
