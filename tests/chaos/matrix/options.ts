/** What the matrix is asked for on its command line. Anything else ends with 1, before anything is started. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { BLOWS, CELLS, cellsMatching, COMPONENTS, POSITIONS, type Cell } from './cells.ts'

export interface MatrixOptions {
  times: number
  seed: string
  only: readonly Cell[]
  lanes: number
  minutes: number
  verbose: boolean
}

const NAMES_HELP = `
Blows:      ${BLOWS.join(', ')}
Components: ${COMPONENTS.join(', ')}
Positions:  ${POSITIONS.join(', ')}`

export function optionsOf(argv: readonly string[]): MatrixOptions {
  return new Command('npm run test:chaos --')
    .description('Strikes every component at every position of a write, and says whether what is left is so.')
    .addOption(count('--times <n>', 'blows in each cell').default(10))
    .option('--seed <text>', 'moments are left to chance; the same text picks the same', String(Date.now()))
    .addOption(
      new Option(
        '--only <cells>',
        'such as pause:worker:call, worker:call, failover or *:call; several with commas',
      )
        .argParser(cellsOf)
        .default(CELLS, 'all cells'),
    )
    .addOption(count('--lanes <n>', 'stacks side by side').default(3))
    .addOption(count('--minutes <n>', 'at most; ending early is a failure').default(180))
    .option('--verbose', 'tell what happened also where nothing is wrong', false)
    .addHelpText('after', NAMES_HELP)
    .showHelpAfterError('(add --help for what it expects)')
    .parse(argv, { from: 'user' })
    .opts<MatrixOptions>()
}

function count(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1.')
    return Number(text)
  })
}

function cellsOf(pattern: string): Cell[] {
  const cells = cellsMatching(pattern)
  if (cells.length === 0) throw new InvalidArgumentError('No cell is called that.')
  return cells
}
