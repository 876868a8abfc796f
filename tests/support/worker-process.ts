/** A worker as a process of its own, with what it logs. */
import { spawn } from 'node:child_process'
import { endWithUs } from './end-with-us.ts'
import { programFile } from './package.ts'
import { eventually, NeverComes, type World } from './world.ts'

export interface WorkerProcess {
  /** Everything on stdout and stderr so far. */
  output(): string
  stop(): Promise<void>
}

/** Alone it takes 3 s; beside everything else that a noisy machine does, it has taken over 20. */
const START_TIMEOUT_MS = 90_000

/** Resolves when it is running; throws with its output if it ends before. */
export async function startWorkerProcess(
  world: World,
  environment: Record<string, string> = {},
): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [programFile('workers/main')], {
    env: { ...world.environment(), LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      output += text
    })
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  endWithUs(child)
  await eventually(async () => {
    if (child.exitCode !== null) throw new NeverComes(`the worker has ended:\n${output}`)
    return output.includes('worker started')
  }, START_TIMEOUT_MS)
  return {
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
