/** A server that sends TLS messages without data, in a process of its own: what it takes of a processor is not ours. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from './certificates.ts'
import { endWithUs } from './end-with-us.ts'

export interface KeyUpdates {
  /** Whether the other side has to update its keys, too. */
  asksBack?: boolean
  isDatabase?: boolean
  /** What it answers to the first request, before it begins. */
  welcome?: Buffer
}

const PROGRAM = fileURLToPath(new URL('key-updates-server.mjs', import.meta.url))

export async function startKeyUpdates({
  welcome,
  ...given
}: KeyUpdates): Promise<{ port: number; stop(): void }> {
  const { cert, key } = makeCertificate('localhost')
  const options = JSON.stringify({ cert, key, ...given, welcome: welcome?.toString('base64') })
  const child = spawn(process.execPath, [PROGRAM, options], { stdio: ['ignore', 'pipe', 'inherit'] })
  endWithUs(child)
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  return { port: Number(said.toString()), stop: () => void child.kill('SIGKILL') }
}
