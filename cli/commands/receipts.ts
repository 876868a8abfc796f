/** `countersign receipts`: get the signed record of a run, and check it without asking anybody. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Option, type Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import { receiptPages, receiptsOf, type Client } from '../../sdk/client/index.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Statement } from '../../schemas/receipt.ts'
import { apiCommand, dataOption, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { note, printJson, printLine, printTable, styled, styledNote, visible } from '../output.ts'
import { checkReceipts, type ReceiptsCheck } from '../receipts-file.ts'
import { describeReceipt, statementIn, wordsOf, type ToldReceipt } from '../render/receipt.ts'

interface RunOptions extends ApiOptions {
  run: string
}

interface VerifyOptions {
  run?: string
  keys?: string
  data: string
  json?: boolean
}

const KINDS = ['decision', 'outcome', 'resolution'] as const
const DDL_FILE = new URL('../../sdk/target/countersign_receipts.sql', import.meta.url)

export function registerReceipts(program: Command): void {
  const receipts = describedCommand(program, {
    usage: 'receipts',
    summary: 'get and check the signed record of a run',
    examples: ['receipts verify receipts.json'],
  })
  addListOptions(
    apiCommand(receipts, {
      usage: 'list',
      summary: 'list receipts, newest first; with --run all of that run, in their order',
      examples: ['receipts list --run run_0f3c…', 'receipts list --kind decision --since 7d'],
    })
      .addOption(new Option('--kind <kind>', 'only these; not with --run').choices(KINDS))
      .option('--subject <id>', 'only those about this decision or writeback; not with --run'),
    { run: true, span: true },
  ).action(list)
  apiCommand(receipts, {
    usage: 'show <number>',
    summary: 'print what a receipt of a run says; whether it is genuine, `receipts verify` tells',
    examples: ['receipts show 2 --run run_0f3c…'],
  })
    .requiredOption('--run <run>', 'the run')
    .action(show)
  apiCommand(receipts, {
    usage: 'export',
    summary:
      'write the receipts of a run to a file that anybody can check: {run_id, receipts, signed_head, run}',
    examples: ['receipts export --run run_0f3c… -o receipts.json'],
  })
    .requiredOption('--run <run>', 'the run')
    .option('-o, --output <file>', 'file to write, else standard output')
    .action(exportReceipts)
  registerVerify(receipts)
  describedCommand(receipts, {
    usage: 'ddl',
    summary: 'print the SQL of the table that a database needs before Countersign may write to it',
    examples: ['receipts ddl | psql "$TARGET_DATABASE_URL"'],
  }).action(() => printLine(readFileSync(DDL_FILE, 'utf8').trimEnd()))
}

function registerVerify(receipts: Command): void {
  describedCommand(receipts, {
    usage: 'verify <file>',
    summary: 'check receipts offline: every signature, number, link and run; exit code 1 if one is wrong',
    examples: ['receipts verify receipts.json', 'receipts verify receipts.json --keys public.json'],
  })
    .option('--run <run>', 'the run that they should be of (default: the one that the file names)')
    .option('--keys <file>', 'public keys (default: keys/public.json in the data folder)')
    .addOption(dataOption())
    .option('--json', 'print the finding as JSON')
    .action(verify)
}

interface ReceiptListOptions extends ApiOptions, ListOptions<never> {
  kind?: (typeof KINDS)[number]
  subject?: string
}

async function list(options: ReceiptListOptions): Promise<void> {
  if (options.run !== undefined) return listOfRun({ ...options, run: options.run })
  const { kind, subject } = options
  const page = await openApi(options).searchReceipts({
    ...listQuery(options),
    ...(kind === undefined ? {} : { kind }),
    ...(subject === undefined ? {} : { subject }),
  })
  if (options.json) return printJson(page)
  const rows = page.items.map((receipt) => [
    receipt.run_id,
    String(receipt.seq),
    receipt.kind,
    describeReceipt(receipt.envelope.payload).words,
    receipt.created_at,
  ])
  printTable(['RUN', 'NO', 'KIND', 'WHAT', 'AT'], rows, 'There are no such receipts.')
  tellNextPage(page.next_cursor, options)
}

/** The whole chain: of a part of it, nobody could say whether something is missing. */
async function listOfRun(options: RunOptions & ReceiptListOptions): Promise<void> {
  const partial = Object.keys({ ...listQuery(options), run_id: undefined }).length > 1
  if (partial || options.kind !== undefined || options.subject !== undefined) {
    throw new UsageError('With --run there are no other filters: the receipts of a run are one chain.')
  }
  const client = openApi(options)
  if (options.json) return printJson(await receiptsOf(client, options.run))
  const told = await toldReceipts(client, options.run)
  const rows = told.map(({ seq, id, kind, words, subject, at }) => [
    String(seq),
    id,
    kind,
    words,
    subject,
    at,
  ])
  printTable(['NO', 'RECEIPT', 'KIND', 'WHAT', 'ABOUT', 'AT'], rows, 'This run has no receipts.')
}

type Receipt = Awaited<ReturnType<typeof receiptsOf>>['receipts'][number]

/** What all receipts of a run say, of which no more than a page is held. */
export async function toldReceipts(client: Client, runId: string): Promise<ToldReceipt[]> {
  const told: ToldReceipt[] = []
  for await (const { receipts } of receiptPages(client, runId))
    told.push(...receipts.map(({ id, seq, envelope }) => ({ id, seq, ...describeReceipt(envelope.payload) })))
  return told
}

async function show(number: string, options: RunOptions): Promise<void> {
  const receipt = await findReceipt(number, options)
  if (options.json) return printJson(receipt)
  printJson(statementIn(receipt.envelope.payload) ?? receipt.envelope)
}

async function findReceipt(number: string, options: RunOptions): Promise<Receipt> {
  let count = 0
  for await (const { receipts } of receiptPages(openApi(options), options.run)) {
    const found = receipts.find(({ seq }) => String(seq) === number)
    if (found) return found
    count += receipts.length
  }
  throw new CodedError('NOT_FOUND', `Run ${options.run} has no receipt ${number}.\nIt has ${count}.`)
}

async function exportReceipts(options: RunOptions & { output?: string }): Promise<void> {
  const client = openApi(options)
  // The run first: what is added in between then shows as more, never as missing.
  const { receipts_head: run } = await client.getRun({ run_id: options.run })
  const { receipts, signed_head } = await receiptsOf(client, options.run)
  const content = {
    run_id: options.run,
    receipts: receipts.map(({ envelope }) => envelope),
    signed_head,
    run,
  }
  if (options.output === undefined) return printJson(content)
  try {
    writeFileSync(options.output, `${JSON.stringify(content, null, 2)}\n`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${options.output} cannot be written: ${reason}`)
  }
  note(
    `${receipts.length} receipts are in ${options.output}. Check them: countersign receipts verify ${shellWord(options.output)}`,
  )
}

function verify(file: string, options: VerifyOptions): void {
  const keysFile = options.keys ?? join(options.data, 'keys', 'public.json')
  const check = checkReceipts(file, keysFile, options.run)
  if (options.json) {
    const { valid, count, hasHead, hasRunHead, problems, statements } = check
    printJson({
      valid,
      receipts: count,
      has_head: hasHead,
      has_run_head: hasRunHead,
      problems,
      statements,
    })
  } else {
    tell(check)
  }
  if (!check.valid) process.exitCode = EXIT_CODES.failed
}

function tell({ valid, count, hasHead, hasRunHead, problems, statements }: ReceiptsCheck): void {
  const rows = statements.map((statement) => {
    const { runId, seq } = statement.predicate
    return [String(seq), ...describe(statement), runId]
  })
  if (rows.length > 0) printTable(['NO', 'KIND', 'WHAT', 'ABOUT', 'AT', 'RUN'], rows, '')
  for (const { position, problem } of problems) {
    printLine(`${styled('red', 'receipt')} ${position} of ${count}: ${visible(problem)}`)
  }
  if (!hasHead) {
    note(
      `${styledNote('yellow', 'warning')}: the file has no signed head: whether receipts are missing at the end cannot be seen. ` +
        'Use a file made with `countersign receipts export`.',
    )
  }
  if (hasHead && !hasRunHead) {
    note(
      'The end is as the database said when it was exported; the run’s own result, which could confirm it, is not in the file.',
    )
  }
  if (valid) printLine(styled('green', `${count} receipts: every signature and every link is right.`))
  else printLine(styled('red', 'Not verified.'))
}

/** Kind, what it says, what it is about, when. */
function describe(statement: Statement): string[] {
  const { kind, words, subject, at } = wordsOf(statement)
  return [kind, words, subject, at]
}
