/**
 * `npm run test:attack:doors`: opens the doors of tests/attack/doors.ts one after the other, each in a copy of the tree,
 * and expects the attack's test to fail there, saying that the attack has succeeded. One that still passes, or fails for
 * another reason, does not bite. Uses one PostgreSQL and one Temporal server for all, or those that DATABASE_URL and
 * TEMPORAL_ADDRESS name. The table goes to stdout, which door it is at to stderr.
 */
import { execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Door, Patch } from '../tests/attack/door.ts'
import { DOORS } from '../tests/attack/doors.ts'
import { endServersOf, makeTestFolder, removeTestFolder } from '../tests/stack/test-folder.ts'
import { startPostgres } from './stack/postgres.ts'
import { findTemporalBinary } from './stack/temporal-binary.ts'
import { startTemporal } from './stack/temporal.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** A test that waits for what never comes gives up after 20 s; on a busy machine everything else takes as long. */
const TEST_TIMEOUT_MS = 300_000

interface Finding {
  door: Door
  /** `bites`: the test has failed as it should. `FAILS OTHERWISE`: it does not say that the attack has succeeded. */
  verdict: 'bites' | 'PASSES' | 'FAILS OTHERWISE' | 'CRASHES' | 'NOT RUN' | 'TEXT GONE'
  /** What the test said. */
  detail: string
}

interface Report {
  numTotalTests: number
  testResults: {
    message?: string
    assertionResults: { status: string; failureMessages: string[] }[]
  }[]
}

/** The tree as it is here, with what is not committed yet. Packages are not copied. */
function copyTree(target: string): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  for (const file of listed.split('\0')) {
    const source = path.join(ROOT, file)
    if (file === '' || file === 'node_modules' || !fs.existsSync(source)) continue
    fs.cpSync(source, path.join(target, file), { recursive: true })
  }
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(target, 'node_modules'))
}

/** Null if a text is not there exactly once; else what puts the files back. */
function open(tree: string, patches: readonly Patch[]): (() => void) | null {
  const before = new Map<string, string>()
  const close = (): void => {
    for (const [file, content] of before) fs.writeFileSync(file, content)
  }
  for (const { file, find, replace } of patches) {
    const place = path.join(tree, file)
    const content = fs.readFileSync(place, 'utf8')
    if (content.split(find).length !== 2) {
      close()
      return null
    }
    if (!before.has(place)) before.set(place, content)
    fs.writeFileSync(
      place,
      content.replace(find, () => replace),
    )
  }
  return close
}

async function tryDoor(tree: string, environment: NodeJS.ProcessEnv, door: Door): Promise<Finding> {
  const close = open(tree, door.patches)
  if (!close) return { door, verdict: 'TEXT GONE', detail: 'a text to replace is not there exactly once' }
  try {
    return { door, ...verdictOf(await runTest(tree, environment, door), door) }
  } finally {
    close()
  }
}

async function runTest(
  tree: string,
  environment: NodeJS.ProcessEnv,
  { test }: Door,
): Promise<Report | string> {
  const outputFile = path.join(tree, 'report.json')
  fs.rmSync(outputFile, { force: true })
  const title = test.title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const vitest = path.join(tree, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', path.join('tests/attack', test.file), '--testNamePattern', title]
  const child = spawn(process.execPath, [...args, '--reporter=json', `--outputFile=${outputFile}`], {
    cwd: tree,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TEST_TIMEOUT_MS,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)))
  await new Promise((resolve) => child.once('close', resolve))
  if (!fs.existsSync(outputFile)) return output.slice(-500)
  return JSON.parse(fs.readFileSync(outputFile, 'utf8')) as Report
}

function verdictOf(report: Report | string, { says }: Door): Omit<Finding, 'door'> {
  if (typeof report === 'string') return { verdict: 'CRASHES', detail: report }
  const ran = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'passed' || status === 'failed'),
  )
  const [result] = ran
  if (!result || ran.length > 1) {
    const [suite] = report.testResults
    return { verdict: 'NOT RUN', detail: `${ran.length} tests ran. ${suite?.message ?? ''}` }
  }
  if (result.status === 'passed') return { verdict: 'PASSES', detail: 'the attack was refused all the same' }
  const [said = ''] = result.failureMessages
  const detail = said.split(/\r?\n/, 1)[0] ?? ''
  if (!detail.startsWith('AssertionError: ')) return { verdict: 'CRASHES', detail }
  const verdict = detail.includes(says) ? 'bites' : 'FAILS OTHERWISE'
  return { verdict, detail: detail.slice('AssertionError: '.length) }
}

async function servers(): Promise<{ environment: NodeJS.ProcessEnv; stop: () => Promise<void> }> {
  const places = makeTestFolder()
  const onExit = (): void => endServersOf(places.folder)
  process.once('exit', onExit)
  const log = (): void => undefined
  const { DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: address } = process.env
  const postgres = await startPostgres({ dataDir: places.postgresDir, databaseUrl, throwaway: true, log })
  const binary = address ? undefined : (await findTemporalBinary({ env: process.env, log })).path
  const temporal = await startTemporal({ address, binary, dbFile: places.temporalDbFile, log })
  return {
    environment: { ...process.env, DATABASE_URL: postgres.url, TEMPORAL_ADDRESS: temporal.address },
    stop: async () => {
      process.off('exit', onExit)
      await removeTestFolder(places.folder)
    },
  }
}

function print({ door, verdict, detail }: Finding): void {
  const { file, title } = door.test
  const cells = [
    door.name,
    [...new Set(door.patches.map((patch) => patch.file))].join(', '),
    `${file}: ${title}`,
  ]
  console.log(`| ${[...cells, verdict, detail.replaceAll('|', '\\|')].join(' | ')} |`)
}

const USAGE = `npm run test:attack:doors -- [WORD | FILE]...

Opens the doors whose names contain a WORD (a whole name is one, in quotes), and those that a FILE of tests is about,
such as slow-senders.test.ts; all of them if nothing is given. --list only says which ones these are.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' }, list: { type: 'boolean' } },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const isMeant = ({ name, test }: Door, word: string): boolean => name.includes(word) || test.file === word
const chosen = DOORS.filter(
  (door) => positionals.length === 0 || positionals.some((word) => isMeant(door, word)),
)
if (values.list) {
  for (const { name, test } of chosen) console.log(`${test.file}: ${name}`)
  process.exit()
}
const tree = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-doors-'))
copyTree(tree)
const { environment, stop } = await servers()
const findings: Finding[] = []
console.log('| door | opened in | test | | what it says then |\n|---|---|---|---|---|')
try {
  for (const [index, door] of chosen.entries()) {
    console.error(`${index + 1} of ${chosen.length}: ${door.name}`)
    const finding = await tryDoor(tree, environment, door)
    findings.push(finding)
    print(finding)
  }
} finally {
  await stop()
  fs.rmSync(tree, { recursive: true, force: true })
}
const wrong = findings.filter(({ verdict }) => verdict !== 'bites')
console.log(`\n${findings.length - wrong.length} of ${findings.length} doors make their test fail.`)
process.exitCode = wrong.length === 0 && findings.length > 0 ? 0 : 1
