/** Our own programs as processes, with what they log, and a network that can be switched on later. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { endWithUs } from './end-with-us.ts'
import { programFile } from './package.ts'
import { eventually, NeverComes } from './world.ts'

export interface Program {
  /** Everything on stdout and stderr so far. */
  output(): string
  send(signal: NodeJS.Signals): void
  /** Resolves with the exit code; null if a signal ended it. */
  exited: Promise<number | null>
  /** Asks it to end, unless it has. */
  stop(): Promise<number | null>
  /** Until it has said so; throws with its output if it ends before. */
  says(text: string): Promise<void>
}

export function startProgram(
  name: 'api/main' | 'workers/main',
  environment: Record<string, string>,
): Program {
  const child = spawn(process.execPath, [programFile(name)], {
    env: { ...environment, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => (output += text))
  }
  endWithUs(child)
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  return {
    output: () => output,
    exited,
    send: (signal) => void child.kill(signal),
    async stop() {
      if (!hasEnded()) child.kill('SIGTERM')
      return exited
    },
    async says(text) {
      const deadlineMs = Date.now() + 60_000
      while (!output.includes(text)) {
        if (hasEnded() || Date.now() > deadlineMs)
          throw new Error(`${name} has not said “${text}”:\n${output}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
  }
}

/** Resolves when it serves. */
export async function startApiProcess(
  environment: Record<string, string>,
  port: number,
): Promise<Program & { url: string }> {
  const url = `http://127.0.0.1:${port}`
  const program = startProgram('api/main', { ...environment, PORT: String(port), HOST: '127.0.0.1' })
  let hasEnded = false
  void program.exited.then(() => (hasEnded = true))
  await eventually(async () => {
    if (hasEnded) throw new NeverComes(`the API has ended:\n${program.output()}`)
    return (await fetch(`${url}/healthz`)).ok
  }, 60_000)
  return { ...program, url }
}

/** Passes connections on to somewhere else, once it is switched on: until then, nobody listens. */
export interface Line {
  on(): Promise<void>
  off(): Promise<void>
}

export function createLine(port: number, target: { host: string; port: number }): Line {
  let server: Server | undefined
  const sockets = new Set<Socket>()
  return {
    async on() {
      server = createServer((client) => {
        const upstream = createConnection(target)
        for (const [one, other] of [
          [client, upstream],
          [upstream, client],
        ] as const) {
          sockets.add(one)
          one.on('error', () => undefined)
          one.on('close', () => {
            sockets.delete(one)
            other.destroy()
          })
          one.pipe(other)
        }
      })
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    async off() {
      const closing = server
      if (!closing) return
      server = undefined
      const closed = once(closing, 'close')
      closing.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
