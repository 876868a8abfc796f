/** `countersign completion`: prints a script for a shell, made from the commands that there are. */
import { Argument, type Command } from 'commander'
import { describedCommand } from '../context.ts'
import { printLine } from '../output.ts'
import { bashCompletion, fishCompletion, zshCompletion } from '../render/completion.ts'
import type { CommandModel } from '../render/completion.ts'

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export function registerCompletion(program: Command): void {
  describedCommand(program, {
    usage: 'completion',
    summary: 'print a script with which your shell completes commands and options',
    examples: [
      'completion bash > ~/.local/share/bash-completion/completions/countersign',
      'completion zsh > ~/.zfunc/_countersign',
      'completion fish > ~/.config/fish/completions/countersign.fish',
    ],
  })
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => printLine(SCRIPTS[shell](modelsOf(program, '')).trimEnd()))
}

/** The program itself has the empty path. */
function modelsOf(command: Command, path: string): CommandModel[] {
  const own: CommandModel = {
    path,
    children: command.commands.map((child) => ({ name: child.name(), summary: child.description() })),
    options: command.options.map(({ short, long, description, required, optional, argChoices }) => ({
      names: [short, long].filter((name) => name !== undefined && name !== null),
      summary: description,
      takesValue: required || optional,
      choices: argChoices ?? [],
    })),
  }
  const inner = command.commands.flatMap((child) =>
    modelsOf(child, path === '' ? child.name() : `${path} ${child.name()}`),
  )
  return [own, ...inner]
}
