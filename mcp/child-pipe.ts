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
import { endWithUs, hasEnded, signalGroup } from './orphans.ts'
import type { StdioServer } from './port.ts'
import { readBytes } from './reader.ts'
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
  /** Requests that wait for an answer, by their ids. */
  readonly #awaited = new Map<string | number, string>()
  #isInitialized = false
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
    const child = spawn(command, args, {
      cwd,
      env: { ...getDefaultEnvironment(), ...env },
      stdio: 'pipe',
      // A group of its own, so that all of it can be ended.
      detached: true,
    })
    this.#child = child
    const onError = (error: Error): void => this.onerror?.(error)
    for (const source of [child, child.stdin, child.stdout]) source.on('error', onError)
    child.on('close', () => {
      if (child.pid !== undefined) hasEnded(child.pid)
      this.#child = undefined
      this.onclose?.()
    })
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk))
    child.stderr.pipe(this.stderr)
    await once(child, 'spawn')
    if (child.pid !== undefined) endWithUs(child.pid)
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
    if (this.#isLeftOut(message)) return
    if ('method' in message && message.method === 'tools/call') {
      const window = this.#announced.get(message.params?.['arguments'] as object)
      if (window === undefined) throw new Error('a call that nobody has announced')
      if (window && this.backlogBytes > 0) throw new LocalFailure('not_reading')
      window?.pass()
    }
    if ('method' in message && 'id' in message) this.#awaited.set(message.id, message.method)
    if (!stdin.write(serializeMessage(message)))
      await new Promise<void>((resolve) => stdin.once('drain', resolve))
  }

  /** MCP forbids to cancel `initialize`; the SDK does so all the same when the time is over. */
  #isLeftOut(message: JSONRPCMessage): boolean {
    if (!('method' in message)) return false
    if (message.method === 'notifications/initialized') this.#isInitialized = true
    if (message.method !== 'notifications/cancelled') return false
    // Nobody waits for it any more, so an answer without an id is not its answer.
    const { requestId } = message.params ?? {}
    this.#awaited.delete(requestId as string | number)
    return !this.#isInitialized
  }

  kill(): void {
    if (this.#child) end(this.#child, 'SIGKILL')
  }

  /** Resolves when it has ended, or was sent SIGKILL. */
  async close(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = undefined
    let isClosed = false
    const closed = once(child, 'close').then(() => (isClosed = true))
    const patience = (): Promise<unknown> =>
      Promise.race([closed, sleep(END_PATIENCE_MS, undefined, { ref: false })])
    child.stdin?.end()
    await patience()
    if (!isClosed) {
      end(child, 'SIGTERM')
      await patience()
    }
    if (!isClosed) end(child, 'SIGKILL')
  }

  #read(chunk: Buffer): void {
    let rest = chunk
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      if (!this.#keep(rest.subarray(0, end))) return
      this.#take(Buffer.concat(this.#chunks))
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

  /** A line that is no JSON is one for people, which should stand on standard error. */
  #take(line: Uint8Array): void {
    const read = readBytes(line, this.#awaited)
    if (read === null) return
    try {
      const message = deserializeMessage(read)
      if (!('method' in message) && message.id !== undefined) this.#awaited.delete(Number(message.id))
      this.onmessage?.(message)
    } catch (error) {
      this.onerror?.(error as Error)
    }
  }
}

/** With what it has started; a package manager does not hand a signal on. */
function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined || !signalGroup(child.pid, signal)) child.kill(signal)
}
