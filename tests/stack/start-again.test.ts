/** A process of the dev stack that ends is started again; one that ends at each start is given up. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keepRunning } from '../../cli/dev/start-again.ts'
import { createSupervisor, type Exit, type Supervisor } from '../../scripts/stack/processes.ts'
import { eventually } from '../support/world.ts'

let folder: string
let supervisor: Supervisor
let lines: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-again-'))
  lines = []
  supervisor = createSupervisor({
    stateFile: join(folder, 'processes.json'),
    log: (line) => lines.push(line),
  })
})
afterEach(async () => {
  await supervisor.stopAll()
  rmSync(folder, { recursive: true, force: true })
})

async function start(program: string) {
  const pids: number[] = []
  let givenUp: Exit | undefined
  const run = () =>
    supervisor.startProcess({
      name: 'part',
      command: process.execPath,
      args: ['-e', program],
      env: {},
      cwd: folder,
      logFile: join(folder, 'part.log'),
      timeoutMs: 5_000,
    })
  const first = await run()
  pids.push(first.pid)
  void keepRunning(first, {
    log: (line) => lines.push(line),
    start: run,
    onStarted: ({ pid }) => pids.push(pid),
    onGivenUp: (exit) => (givenUp = exit),
  })
  return { first, pids, givenUp: () => givenUp }
}

test('one that is killed is started again, and one that is stopped is not', async () => {
  const part = await start('setInterval(() => {}, 1000)')
  process.kill(part.first.pid, 'SIGKILL')
  await eventually(async () => part.pids.length === 2)
  expect(lines).toContain('part has ended (SIGKILL): starting it again')
  await supervisor.stopAll()
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(part.pids).toHaveLength(2)
  expect(part.givenUp()).toBeUndefined()
})

test('one that ends at each start is given up after three more, with how it ended', async () => {
  const part = await start('console.log("no such file"); process.exit(3)')
  await eventually(async () => part.givenUp() !== undefined)
  expect(part.pids).toHaveLength(4)
  expect(part.givenUp()).toMatchObject({ code: 3, lastLines: 'no such file' })
})
