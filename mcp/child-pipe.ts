/**
 * The pipe to a child, which several callers share: a call that was not announced does not leave, and that of a write
 * leaves only through its window. A transport of our own, for that of the SDK shows neither the text of a message nor
 * what a child has not read.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'
import { deserializeMessage, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { SendWindow } from '../lib/send-window.ts'
import { LocalFailure } from './errors.ts'
import { withNote } from './exact-answers.ts'
import type { StdioServer } from './port.ts'
import type { McpRequest } from './session.ts'

/** For a child that is asked to end, each time before it is asked less kindly. */
const END_PATIENCE_MS = 2_000
const NEWLINE = 0x0a

export class ChildPipe implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  /** A message was longer than it may be: nothing after it is read. */
  onoversized?: () => void
  readonly stderr = new PassThrough()
  readonly #server: StdioServer
  readonly #maxMessageBytes: number
  /** By the object of the arguments, which the SDK hands on as it is. */
  readonly #announced = new WeakMap<object, SendWindow | null>()
  #child: ChildProcess | undefined
  /** Of a line that has not ended. */
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(server: StdioServer, { maxMessageBytes }: { maxMessageBytes: number }) {
    this.#server = server
    this.#maxMessageBytes = maxMessageBytes
  }

  async start(): Promise<void> {
    const { command, args, env, cwd } = this.#server
    const child = spawn(command, args, { cwd, env: { ...getDefaultEnvironment(), ...env }, stdio: 'pipe' })
    this.#child = child
    const onError = (error: Error): void => this.onerror?.(error)
    for (const source of [child, child.stdin, child.stdout]) source.on('error', onError)
    child.on('close', () => {
      this.#child = undefined
      this.onclose?.()
    })
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk))
    child.stderr.pipe(this.stderr)
    await once(child, 'spawn')
  }

  expect(message: McpRequest, window: SendWindow | null): void {
    if (message.method === 'tools/call') this.#announced.set(message.params.arguments, window)
  }

  /** Bytes that a child which does not read has left with us: they would leave whenever it does. */
  get backlogBytes(): number {
    return this.#child?.stdin?.writableLength ?? 0
  }

  /** Writes in the same turn: nothing waits between the look at the clocks and the pipe. */
  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin
    if (!stdin) throw new Error('Not connected')
    if ('method' in message && message.method === 'tools/call') {
      const window = this.#announced.get(message.params?.['arguments'] as object)
      if (window === undefined) throw new Error('a call that nobody has announced')
      if (window && this.backlogBytes > 0) throw new LocalFailure('not_reading')
      window?.pass()
    }
    if (!stdin.write(serializeMessage(message)))
      await new Promise<void>((resolve) => stdin.once('drain', resolve))
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Resolves when it has ended, or was sent SIGKILL. */
  async close(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = undefined
    const closed = new Promise((resolve) => child.once('close', resolve))
    const patience = (): Promise<unknown> =>
      Promise.race([closed, sleep(END_PATIENCE_MS, undefined, { ref: false })])
    child.stdin?.end()
    await patience()
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await patience()
    }
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }

  #read(chunk: Buffer): void {
    let rest = chunk
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      if (!this.#keep(rest.subarray(0, end))) return
      this.#take(Buffer.concat(this.#chunks).toString('utf8'))
      this.#chunks = []
      this.#bytes = 0
      rest = rest.subarray(end + 1)
    }
    this.#keep(rest)
  }

  /** False: it has become too long. */
  #keep(part: Buffer): boolean {
    this.#bytes += part.length
    if (this.#bytes <= this.#maxMessageBytes) return this.#chunks.push(part) > 0
    this.#chunks = []
    this.onoversized?.()
    return false
  }

  #take(line: string): void {
    try {
      this.onmessage?.(deserializeMessage(withNote(line.replace(/\r$/, ''))))
    } catch (error) {
      this.onerror?.(error as Error)
    }
  }
}
