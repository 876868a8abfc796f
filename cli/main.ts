/** The command line, put together. Commands load what only they need when they run: `--help` stays quick. */
import { Command } from 'commander'
import { nearestName } from '../lib/nearest-name.ts'
import { COMMANDS } from './commands/index.ts'
import { PRECEDENCE_HELP } from './context.ts'
import { EXIT_CODES, EXIT_CODES_HELP, report, UsageError } from './errors.ts'

const EXAMPLES_HELP = `
Examples:
  $ countersign dev --example late-fee
  $ countersign run late-fee --input @input.json
  $ countersign runs watch run_0f3c…
  $ countersign approvals next`

/** Returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  endQuietlyWhenNobodyReads()
  try {
    const program = buildProgram()
    await program.parseAsync(argv)
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT_CODES.ok
  } catch (error) {
    return report(error, argv.includes('--json'))
  }
}

export function buildProgram(): Command {
  const program = new Command('countersign')
    .description('Durable automations over MCP tools, with approvals that hold and writes that happen once.')
    .version('0.1.0')
    .showHelpAfterError('(add --help for what it expects)')
    .addHelpText('after', PRECEDENCE_HELP)
    .addHelpText('after', EXIT_CODES_HELP)
    .addHelpText('after', EXAMPLES_HELP)
    // Inherited by the commands registered below.
    .exitOverride()
  for (const register of COMMANDS) register(program)
  suggestNames(program)
  return program
}

/** An unknown name is answered with the nearest one, here and in each group of commands. */
function suggestNames(command: Command): void {
  if (command.commands.length === 0) return
  const names = command.commands.map((child) => child.name()).concat('help')
  command.on('command:*', ([name = '']: string[]) => {
    const nearest = nearestName(name, names)
    const full = [...pathOf(command), nearest].join(' ')
    throw new UsageError(
      `There is no command \`${[...pathOf(command), name].join(' ')}\`.`,
      nearest === undefined
        ? `Look at \`${pathOf(command).join(' ')} --help\`.`
        : `Did you mean \`${full}\`?`,
    )
  })
  command.commands.forEach(suggestNames)
}

function pathOf(command: Command): string[] {
  return [...(command.parent === null ? [] : pathOf(command.parent)), command.name()]
}

/** `countersign … | head` is no error. */
function endQuietlyWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}
