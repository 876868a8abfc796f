/** The story of examples/late-fee on real parts, told in words, and checked as it goes. */
import { randomBytes, randomInt } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createNarrator, type Narrator } from '../examples/late-fee/demo/narrator.ts'
import { playStory, type Stage, type StoryFacts } from '../examples/late-fee/demo/story.ts'
import { hostEnvironment } from '../scripts/stack/host-environment.ts'
import { findTemporalBinary } from '../scripts/stack/temporal-binary.ts'
import { stageLateFee, type LateFee } from './dev/late-fee.ts'
import { startDevStack, type DevStack } from './dev-stack.ts'
import { EXIT_CODES } from './errors.ts'
import { note, printJson, styled, styledNote, visible } from './output.ts'
import { checkReceipts } from './receipts-file.ts'

export interface DemoOptions {
  seed?: number
  data: string
  interactive?: boolean
  json?: boolean
}

const MAX_SEED = 1_000_000

export async function playDemo(options: DemoOptions): Promise<void> {
  const seed = options.seed ?? randomInt(1, MAX_SEED)
  const narrator = narratorFor(options)
  const log = (line: string): void => note(`${styledNote('dim', '·')} ${visible(line)}`)
  // An organization of its own, so that every demo starts with an empty desk.
  const tenant = seed % 2 === 0 ? 'globex' : 'acme'
  const organization = `${tenant}-${randomBytes(3).toString('hex')}`
  const story = stageLateFee({ dataDir: options.data, seed, organization, reseed: true, log })
  narrator.say(
    `Countersign demo, seed ${seed}. Starting PostgreSQL, Temporal, the API, a worker and two MCP servers.`,
  )
  const stack = await startDevStack({
    dataDir: options.data,
    log,
    port: 0,
    onSignalExit: (code) => process.exit(code),
    ...story.stackOptions,
  })
  try {
    const lateFee = await story.open(stack)
    const binary = stack.temporalBinary ?? (await findTemporalBinary({ env: hostEnvironment(), log })).path
    const facts = await playStory(stageOf(stack, lateFee, binary), narrator)
    await narrator.pause('Look around as long as you like. Press Enter to end.')
    conclude({ seed, ...facts }, options, narrator)
  } finally {
    await stack.stop()
  }
}

function stageOf(stack: DevStack, lateFee: LateFee, temporalBinary: string): Stage {
  const { apiUrl, apiKey, temporalAddress, temporalUiUrl, dataDir, keysFolder } = stack
  const receiptsFile = relative(process.cwd(), join(dataDir, 'receipts.json'))
  const publicKeysFile = relative(process.cwd(), join(keysFolder, 'public.json'))
  return {
    apiUrl,
    adminKey: apiKey,
    temporalAddress,
    temporalUiUrl,
    temporalBinary,
    ...lateFee,
    receiptsFile,
    publicKeysFile,
    verifyReceipts(content) {
      writeFileSync(receiptsFile, JSON.stringify(content, null, 2))
      const { count, problems } = checkReceipts(receiptsFile, publicKeysFile)
      return { count, problems: problems.map(({ position, problem }) => `receipt ${position} ${problem}`) }
    },
  }
}

/** The demo asserts what it tells: if one of it is not so, it fails. */
function conclude(facts: StoryFacts & { seed: number }, options: DemoOptions, narrator: Narrator): void {
  const wrong = [
    facts.late_fee_cents_before > 0 && facts.late_fee_cents_after === 0
      ? ''
      : 'the late fee is not what it should be',
    facts.outcome === 'applied' ? '' : `the outcome is ${facts.outcome}`,
    facts.receipts.problems.length === 0 && facts.receipts.count === 3 ? '' : 'the receipts do not prove it',
    facts.runs_after_second_event === 1 ? '' : 'the second event has started something',
    facts.refused_requester_code === 'NOT_ELIGIBLE' ? '' : `sam was told ${facts.refused_requester_code}`,
    facts.stale_code === 'WAIT_OVER' ? '' : `the stale decision was told ${facts.stale_code}`,
    facts.stale_signal === 'refused' ? '' : 'the stale signal was accepted',
  ].filter((problem) => problem !== '')
  if (options.json) printJson(facts)
  if (wrong.length > 0) {
    note(styledNote('red', `The demo did not go as told: ${wrong.join('; ')}.`))
    process.exitCode = EXIT_CODES.failed
    return
  }
  narrator.say(
    '',
    `Done. All of it is stopped now, so the addresses above lead nowhere any more: to look around while they do, run it with`,
    `--interactive. The data stays in ${options.data}; \`countersign dev\` starts a stack to play with.`,
  )
}

function narratorFor(options: DemoOptions): Narrator {
  return createNarrator({
    write: (text) => void (options.json ? undefined : process.stdout.write(text)),
    bold: (text) => styled('bold', text),
    ask: options.interactive && !options.json ? askForEnter : null,
  })
}

async function askForEnter(question: string): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    await terminal.question(question)
  } finally {
    terminal.close()
  }
}
