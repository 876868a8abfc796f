/** `countersign demo`. What it plays is loaded when it runs: `--help` stays quick. */
import { InvalidArgumentError, type Command } from 'commander'
import { describedCommand } from '../context.ts'
import type { DemoOptions } from '../demo.ts'

export function registerDemo(program: Command): void {
  describedCommand(program, {
    usage: 'demo',
    summary: 'play the story: an event, a run, an approval by signal, one write, a receipt',
    examples: ['demo', 'demo --interactive', 'demo --seed 7 --json'],
  })
    .option('--seed <number>', 'picks tenant, invoice and amount (default: chance)', parseSeed)
    .option('--interactive', 'wait for you before the approval and at the end, so that you can look around')
    .option('--data <folder>', 'where the demo keeps its data', '.countersign/demo')
    .option('--json', 'print the facts only, for programs')
    .action(async (options: DemoOptions) => (await import('../demo.ts')).playDemo(options))
}

function parseSeed(text: string): number {
  const seed = Number(text)
  if (!/^\d{1,9}$/.test(text) || seed < 1)
    throw new InvalidArgumentError('It must be a number from 1 to 999999999.')
  return seed
}
