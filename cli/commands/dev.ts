/** `countersign dev`: everything on this machine, until Ctrl-C. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import { CodedError } from '../../schemas/errors.ts'
import { createClient } from '../../sdk/client/index.ts'
import { dataOption, describedCommand } from '../context.ts'
import { DEFAULT_DATA_DIR } from '../dev/state.ts'
import type { LateFee, LateFeeStage } from '../dev/late-fee.ts'
import type { DevStack } from '../dev-stack.ts'
import { EXIT_CODES } from '../errors.ts'
import type { Exit } from '../../scripts/stack/processes.ts'
import type { Log } from '../../scripts/stack/waiting.ts'
import { note, printFields, printJson, printLine, styled, styledNote, visible } from '../output.ts'

/** Never the registry's: whoever had the name there would run on the reader's machine. */
const NPX = 'npx --no-install countersign'
const LOOK_EVERY_MS = 2_000

interface DevOptions {
  data: string
  port?: number
  temporalPort?: number
  uiPort?: number
  worker: boolean
  example?: 'late-fee' | 'all'
  json?: boolean
}

export function registerDev(program: Command): void {
  describedCommand(program, {
    usage: 'dev',
    summary: 'start everything on this machine: PostgreSQL, Temporal with its UI, the API, a worker',
    examples: ['dev', 'dev --port 0 --data /tmp/try'],
  })
    .addOption(dataOption())
    .option(
      '--port <number>',
      'port of the API (default: 8700; 0: any free ones, for Temporal too)',
      parsePort,
    )
    .option('--temporal-port <number>', 'port of Temporal (default: 7233; 0: any free one)', parsePort)
    .option('--ui-port <number>', 'port of the Temporal UI (default: 8233; 0: any free one)', parsePort)
    .option('--no-worker', 'start no worker: you run your own')
    .addOption(
      new Option(
        '--example <name>',
        'also start the systems of the examples, and apply one of them or all',
      ).choices(['late-fee', 'all']),
    )
    .option('--json', 'print the addresses as JSON')
    .addHelpText(
      'after',
      '\nDATABASE_URL and TEMPORAL_ADDRESS name servers to use instead of our own. People are taken at their word\n' +
        'in raw Temporal signals here (COUNTERSIGN_IDENTITY=asserted): not for a machine that others can reach.',
    )
    .action(dev)
}

interface Ended {
  name: string
  exit: Exit
}

async function dev(options: DevOptions): Promise<void> {
  const { startDevStack } = await import('../dev-stack.ts')
  const log: Log = (line) => note(`${styledNote('dim', '·')} ${visible(line)}`)
  const example =
    options.example === undefined ? undefined : await stageExample(options.data, options.example, log)
  let stack: DevStack
  let tellEnd: (ended: Ended) => void = () => undefined
  const firstEnd = new Promise<Ended>((resolve) => (tellEnd = resolve))
  try {
    stack = await startDevStack({
      dataDir: options.data,
      log,
      port: options.port,
      temporalPort: options.temporalPort,
      uiPort: options.uiPort,
      worker: options.worker,
      onSignalExit: (code) => process.exit(code),
      onUnexpectedExit: (name, exit) => tellEnd({ name, exit }),
      ...example?.stackOptions,
    })
  } catch (error) {
    // The handler of the signal ends this process when everything is stopped.
    if (error instanceof CodedError && error.code === 'CANCELLED') return
    throw error
  }
  const telling = tellAll(stack, options, example)
  const ended = await Promise.race([firstEnd, telling.then(() => firstEnd)]).catch(async (error: unknown) => {
    await stack.stop()
    throw error
  })
  note(`${styledNote('red', ended.name)} has ended (${howOf(ended.exit)}). Its last lines:`)
  note(ended.exit.lastLines)
  await stack.stop()
  process.exitCode = EXIT_CODES.failed
}

function howOf({ signal, code }: Exit): string {
  return signal ?? `code ${code}`
}

/** Always the same dispute, so that a second start finds it as it was left. */
async function stageExample(dataDir: string, name: 'late-fee' | 'all', log: Log): Promise<LateFeeStage> {
  const { stageLateFee } = await import('../dev/late-fee.ts')
  return stageLateFee({
    dataDir,
    seed: 1,
    organization: 'default',
    reseed: false,
    withOthers: name === 'all',
    log,
  })
}

/** Where nobody works yet, the addresses come first: without them no worker can be started, and without one no example saved. */
async function tellAll(
  stack: DevStack,
  options: DevOptions,
  example: LateFeeStage | undefined,
): Promise<void> {
  const data = options.data === DEFAULT_DATA_DIR ? '' : ` --data ${shellWord(options.data)}`
  if (!options.json && !options.worker) tellAddresses(stack, options)
  if (options.json && !options.worker) printJson(jsonOf(stack))
  if (example && !options.worker) {
    note('The example is applied when your worker runs: saving it asks its servers for their tools.')
    await untilSomebodyWorks(stack)
  }
  const lateFee = await example?.open(stack)
  if (options.json) return options.worker ? printJson(jsonOf(stack)) : undefined
  if (options.worker) tellAddresses(stack, options)
  printLine()
  printLine('Next, in another terminal:')
  const firstSteps = [
    `${NPX} apply${data} -f <your manifests>`,
    `${NPX} manifests list${data}`,
    `${NPX} doctor${data}`,
  ]
  for (const line of lateFee ? lateFeeSteps(stack, lateFee, data) : firstSteps) printLine(`  ${line}`)
  printLine()
  printLine('Ctrl-C stops everything; the data stays.')
}

function tellAddresses(stack: DevStack, { worker }: DevOptions): void {
  printLine()
  printLine(styled('bold', worker ? 'Countersign is running.' : 'Countersign is running, without a worker.'))
  printLine()
  printFields([
    ['API', stack.apiUrl],
    ['Temporal UI', stack.temporalUiUrl],
    ['Temporal', stack.temporalAddress],
    ['Reference', `${stack.apiUrl}/docs`],
    ['Data', `${stack.dataDir} (logs in ${join(stack.dataDir, 'logs')})`],
    ['Secrets', `${stack.secretsFile} (read at each use)`],
    ['Programs', `${stack.commandsFile} (of stdio connections; read at each use)`],
    ...(worker
      ? []
      : ([
          ['Keys', stack.keysFolder],
          ['Your worker', `node --env-file=${stack.workerEnvFile} <its program>`],
          ['', `the file has DATABASE_URL, TEMPORAL_ADDRESS, COUNTERSIGN_KEYS_DIR and the rest`],
        ] as const)),
  ])
}

async function untilSomebodyWorks({ apiUrl, apiKey }: DevStack): Promise<void> {
  const client = createClient({ baseUrl: apiUrl, apiKey })
  for (;;) {
    const { checks } = await client.getHealth()
    if (checks.some(({ name, status }) => name === 'workers' && status === 'ok')) return
    await sleep(LOOK_EVERY_MS)
  }
}

/** The event of the example, as its billing system would send it. */
function lateFeeSteps(stack: DevStack, { callbackToken, leadKey, facts }: LateFee, data: string): string[] {
  const { disputeId, invoiceId, ticketId } = facts.disputed
  const event = { dispute_id: disputeId, invoice_id: invoiceId, ticket_id: ticketId }
  return [
    `curl ${stack.apiUrl}/api/trigger-callback -H 'content-type: application/json' \\`,
    `  -H 'authorization: Bearer ${callbackToken}' \\`,
    `  -d '${JSON.stringify({ type: 'invoice.disputed', data: event })}'`,
    `${NPX} approvals list${data}`,
    `${NPX} approve <approval> --url ${stack.apiUrl} --key ${leadKey}`,
  ]
}

function jsonOf(stack: DevStack): object {
  return {
    api_url: stack.apiUrl,
    temporal_address: stack.temporalAddress,
    temporal_ui_url: stack.temporalUiUrl,
    docs_url: `${stack.apiUrl}/docs`,
    keys_dir: stack.keysFolder,
    secrets_file: stack.secretsFile,
    commands_file: stack.commandsFile,
    worker_env_file: stack.workerEnvFile,
    organization: stack.organization,
    data_dir: stack.dataDir,
    pids: stack.pids,
  }
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('It must be a number from 0 to 65535.')
  }
  return port
}
