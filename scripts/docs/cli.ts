/** docs/reference/cli.md, from the very program that `countersign` runs. */
import type { Argument, Command, Option } from 'commander'
import { PRECEDENCE_HELP } from '../../cli/context.ts'
import { EXIT_CODES_HELP } from '../../cli/errors.ts'
import { buildProgram } from '../../cli/main.ts'
import { code, fence, madeFrom, page, table } from './markdown.ts'

export function renderCli(): string {
  const program = buildProgram()
  const commands = leavesOf(program)
  return page(
    madeFrom('the program itself'),
    '# The command line',
    INTRODUCTION,
    table(
      ['command', 'what it does'],
      commands.map((command) => [`[${code(nameOf(command))}](#${anchorOf(command)})`, command.description()]),
    ),
    '## Exit codes',
    fence('text', EXIT_CODES_HELP.replace('\nExit codes:\n', '')),
    '## Options of every command that talks to the API',
    optionsTable(COMMON.map((name) => optionOf(commands, name))),
    ORDER,
    ...commands.map(commandText),
  )
}

const INTRODUCTION = `In a clone it is \`npx --no-install countersign\`, in a project that has installed the package too. Results go to standard output, notes
and errors to standard error; with \`--json\` the result is what the API answers. Colours are used on a terminal only, and
not where \`NO_COLOR\` is set.`

const ORDER = fence('text', PRECEDENCE_HELP.trim())

const COMMON = ['--url', '--key', '--context', '--data', '--json']

/** Commands that do something, in the order of the help. */
export function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf)
}

export function nameOf(command: Command): string {
  const parent = command.parent === null ? '' : `${nameOf(command.parent)} `
  return `${parent}${command.name()}`
}

function anchorOf(command: Command): string {
  return nameOf(command).replaceAll(' ', '-')
}

function optionOf(commands: readonly Command[], flag: string): Option {
  const option = commands.find(talksToApi)?.options.find(({ long }) => long === flag)
  if (!option) throw new Error(`no command has ${flag}`)
  return option
}

function talksToApi(command: Command): boolean {
  return COMMON.every((flag) => command.options.some(({ long }) => long === flag))
}

function commandText(command: Command): string {
  const own = talksToApi(command)
    ? command.options.filter(({ long }) => !COMMON.includes(long ?? ''))
    : command.options
  const usage = [
    nameOf(command),
    ...command.registeredArguments.map(argumentText),
    ...(command.options.length > 0 ? ['[options]'] : []),
  ]
  return [
    `## ${nameOf(command)}`,
    `${upper(command.description())}.`,
    fence('text', usage.join(' ')),
    ...(own.length > 0 ? [optionsTable(own)] : []),
    ...(talksToApi(command)
      ? ['Talks to the API, with the [common options](#options-of-every-command-that-talks-to-the-api).']
      : []),
    ...afterText(command),
  ].join('\n\n')
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '…' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

function optionsTable(options: readonly Option[]): string {
  return table(
    ['option', 'meaning', 'default'],
    options.map((option) => [code(option.flags), meaningOf(option), defaultOf(option)]),
  )
}

function meaningOf({ description, argChoices, mandatory }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.map(code).join(', ')}`
  return `${description}${choices}${mandatory ? ' (required)' : ''}`
}

function defaultOf({ defaultValue, negate }: Option): string {
  return defaultValue === undefined || defaultValue === '' || negate ? '' : code(String(defaultValue))
}

/** Examples and notes are what a command adds after its help. */
function afterText(command: Command): string[] {
  let help = ''
  command.configureOutput({ writeOut: (text) => (help += text) })
  command.outputHelp()
  const added = help.slice(command.createHelp().formatHelp(command, command.createHelp()).length).trim()
  const [, examples = '', rest = ''] = /^Examples?:\n((?: {2}\$ .*\n?)+)\n*([\s\S]*)$/.exec(added) ?? []
  if (examples === '') throw new Error(`${nameOf(command)} has no example`)
  const lines = examples
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^ {2}\$ /, ''))
  return [fence('bash', lines.join('\n')), ...(rest === '' ? [] : [rest])]
}

function upper(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
