/** `countersign dev`: everything on this machine, until Ctrl-C. */
import { join } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { CodedError } from '../../schemas/errors.ts'
import { dataOption, describedCommand } from '../context.ts'
import { DEFAULT_DATA_DIR } from '../dev/state.ts'
import type { LateFee, LateFeeStage } from '../dev/late-fee.ts'
import type { DevStack } from '../dev-stack.ts'
import { EXIT_CODES } from '../errors.ts'
import type { Exit } from '../../scripts/stack/processes.ts'
import { note, printFields, printJson, printLine, styled, styledNote, visible } from '../output.ts'

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
  const example =
    options.example === undefined ? undefined : await stageExample(options.data, options.example)
  let stack: DevStack
  let tellEnd: (ended: Ended) => void = () => undefined
  const firstEnd = new Promise<Ended>((resolve) => (tellEnd = resolve))
  try {
    stack = await startDevStack({
      dataDir: options.data,
      log: (line) => note(`${styledNote('dim', '·')} ${visible(line)}`),
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
  const lateFee = await example?.open(stack)
  if (options.json) printJson(jsonOf(stack))
  else tell(stack, options.data, lateFee)
  const { name, exit } = await firstEnd
  note(`${styledNote('red', name)} has ended (${exit.signal ?? `code ${exit.code}`}). Its last lines:`)
  note(exit.lastLines)
  await stack.stop()
  process.exitCode = EXIT_CODES.failed
}

/** Always the same dispute, so that a second start finds it as it was left. */
async function stageExample(dataDir: string, name: 'late-fee' | 'all'): Promise<LateFeeStage> {
  const { stageLateFee } = await import('../dev/late-fee.ts')
  return stageLateFee({
    dataDir,
    seed: 1,
    organization: 'default',
    reseed: false,
    withOthers: name === 'all',
  })
}

function tell(stack: DevStack, dataDir: string, lateFee: LateFee | undefined): void {
  const data = dataDir === DEFAULT_DATA_DIR ? '' : ` --data ${dataDir}`
  printLine()
  printLine(styled('bold', 'Countersign is running.'))
  printLine()
  printFields([
    ['API', stack.apiUrl],
    ['Temporal UI', stack.temporalUiUrl],
    ['Temporal', stack.temporalAddress],
    ['Data', `${stack.dataDir} (logs in ${join(stack.dataDir, 'logs')})`],
  ])
  printLine()
  printLine('Next, in another terminal:')
  const firstSteps = [
    `npx countersign apply${data} -f <your manifests>`,
    `npx countersign manifests list${data}`,
  ]
  for (const line of lateFee ? lateFeeSteps(stack, lateFee, data) : firstSteps) printLine(`  ${line}`)
  printLine()
  printLine('Ctrl-C stops everything; the data stays.')
}

/** The event of the example, as its billing system would send it. */
function lateFeeSteps(stack: DevStack, { callbackToken, leadKey, facts }: LateFee, data: string): string[] {
  const { disputeId, invoiceId, ticketId } = facts.disputed
  const event = { dispute_id: disputeId, invoice_id: invoiceId, ticket_id: ticketId }
  return [
    `curl ${stack.apiUrl}/api/trigger-callback -H 'content-type: application/json' \\`,
    `  -H 'authorization: Bearer ${callbackToken}' \\`,
    `  -d '${JSON.stringify({ type: 'invoice.disputed', data: event })}'`,
    `npx countersign approvals list${data}`,
    `npx countersign approve <approval> --url ${stack.apiUrl} --key ${leadKey}`,
  ]
}

function jsonOf(stack: DevStack): object {
  return {
    api_url: stack.apiUrl,
    temporal_address: stack.temporalAddress,
    temporal_ui_url: stack.temporalUiUrl,
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
