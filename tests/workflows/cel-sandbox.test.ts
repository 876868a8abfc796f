/**
 * Expressions inside the real workflow sandbox, with the modules preloaded and frozen as in the worker: every case of
 * the golden file gives what it gives in plain Node, in any time zone.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker, bundleWorkflowCode } from '@temporalio/worker'
import { afterEach, expect, inject, it } from 'vitest'
import type { GoldenFile, GoldenRun, celGoldenWorkflow } from '../fixtures/cel-golden-workflow.ts'

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string
  }
}

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/cel-golden.json', import.meta.url), 'utf8'),
) as GoldenFile
const address = inject('temporalAddress')
const ownTimeZone = process.env['TZ']

afterEach(() => {
  if (ownTimeZone === undefined) delete process.env['TZ']
  else process.env['TZ'] = ownTimeZone
})

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}

/** Three runs on one worker: the second and third meet the caches that the first has filled. */
async function runsInSandbox(preloadModules: string[]): Promise<GoldenRun[]> {
  const taskQueue = `cel-${randomUUID()}`
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: pathOf('../fixtures/cel-golden-workflow.ts'),
    preloadModules,
  })
  const workerConnection = await NativeConnection.connect({ address })
  const connection = await Connection.connect({ address })
  try {
    const worker = await Worker.create({ connection: workerConnection, taskQueue, workflowBundle })
    const client = new Client({ connection })
    return await worker.runUntil(async () => {
      const runs: GoldenRun[] = []
      for (let i = 0; i < 3; i++) {
        runs.push(
          await client.workflow.execute<typeof celGoldenWorkflow>('celGoldenWorkflow', {
            taskQueue,
            workflowId: `${taskQueue}-${i}`,
            args: [golden],
          }),
        )
      }
      return runs
    })
  } finally {
    await connection.close()
    await workerConnection.close()
  }
}

const PRELOADED = [
  pathOf('../../lib/cel-date-fix.ts'),
  createRequire(import.meta.url).resolve('@marcbachmann/cel-js'),
  pathOf('../../lib/cel.ts'),
]

it.each([
  ['UTC', 0, PRELOADED],
  ['America/New_York', 300, PRELOADED],
  ['Pacific/Apia', -780, []],
])('gives the golden results in the sandbox when the time zone is %s', async (timeZone, offset, preload) => {
  process.env['TZ'] = timeZone
  const runs = await runsInSandbox(preload)
  expect(runs.map((run) => run.offsetMinutes)).toEqual([offset, offset, offset])
  for (const run of runs) expect(run.outcomes).toEqual(golden.cases)
})
