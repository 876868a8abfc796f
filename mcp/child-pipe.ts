/**
 * The pipe to a child, which several callers share: a call that was not announced does not leave, and that of a write
 * leaves only through its window. A transport of our own, for that of the SDK shows neither the text of a message nor
 * what a child has not read.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, type Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'
import { deserializeMessage, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, JSONRPCRequest } from '@modelcontextprotocol/sdk/types.js'
import type { SendWindow } from '../lib/send-window.ts'
import { CodedError } from '../schemas/errors.ts'
import { AnswerWork } from './answer-work.ts'
import { LocalFailure } from './errors.ts'
import { isWatched, writeIsOver } from './orphans.ts'
import type { StdioServer } from './port.ts'
import { inputOf, whyNotEndable } from './process-tree.ts'
import { ProgramGroup } from './program-group.ts'
import { readBytes } from './reader.ts'
import { ReadingTurn } from './reading-turn.ts'
import type { McpRequest } from './session.ts'

/** For a child that is asked to end, each time before it is asked less kindly. */
const END_PATIENCE_MS = 2_000
const NEWLINE = 0x0a

export class ChildPipe implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  /** A message was longer than it may be, or has more in it: nothing after it is read. `most`: how much is taken, in words. */
  onoversized?: (most: string) => void
  /** The child has ended, and may have said things that were not read yet. Others may still hold its pipes. */
  onexit?: () => void
  readonly stderr = new PassThrough()
  readonly #server: StdioServer
  readonly #maxMessageBytes: number
  /** By the object of the arguments, which the SDK hands on as it is. */
  readonly #announced = new WeakMap<object, SendWindow | null>()
  /** Requests without an answer, by their ids. Also those that nobody waits for any more: one without an id may be theirs. */
  readonly #awaited = new Map<string | number, string>()
  readonly #turn: ReadingTurn
  /** Since the last answer to one of them. */
  readonly #work = new AnswerWork()
  /** Writes that have left and have no answer, by their ids; also those that nobody waits for any more. */
  readonly #writes = new Map<string | number, SendWindow>()
  #isInitialized = false
  #isOversized = false
  /** Until it has ended, or is asked to. */
  #child: ChildProcessWithoutNullStreams | undefined
  #group: ProgramGroup | undefined
  #closing: Promise<void> | undefined
  #heardBytes = 0
  /** How the kernel names our pipe at its other end. */
  #input: string | null = null
  /** Of a line that has not ended. */
  #chunks: Buffer[] = []
  #bytes = 0
  /** What has come so far is read, or given up. */
  #settled: Promise<void> = Promise.resolve()

  constructor(server: StdioServer, { maxMessageBytes }: { maxMessageBytes: number }) {
    this.#server = server
    this.#turn = new ReadingTurn(server.poolKey)
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
    if (child.pid !== undefined) {
      this.#group = new ProgramGroup(child, child.pid)
      this.#input = inputOf(child.pid)
    }
    const onError = (error: Error): void => this.onerror?.(error)
    for (const source of [child, child.stdin, child.stdout]) source.on('error', onError)
    child.on('exit', () => void this.#afterExit(child))
    child.on('close', () => this.#afterClose())
    child.stdout.on('data', (chunk: Buffer) => {
      child.stdout.pause()
      this.#heardBytes += chunk.length
      this.#settled = this.#settled.then(() => this.#read(chunk)).then(() => void child.stdout.resume())
    })
    child.stderr.pipe(this.stderr)
    await once(child, 'spawn')
  }

  /** Its pipes may be open for ever: whatever it has started may have got them, and live on. */
  async #afterExit(child: ChildProcessWithoutNullStreams): Promise<void> {
    this.#group?.forgetIfGone()
    this.onexit?.()
    await this.#group?.lastWords(() => this.#settled.then(() => this.#heardBytes))
    // A server behind a script that has ended is asked to end, as after any call.
    if (this.#group?.id !== undefined) await this.close()
    for (const pipe of [child.stdout, child.stderr]) pipe.destroy()
  }

  #afterClose(): void {
    // What is left of the group has the write, though it has none of the pipes back to us.
    if (this.#writes.size > 0) this.#group?.end('SIGKILL')
    this.#group?.forget()
    this.#child = undefined
    // The last words of a child may be an answer whose turn has not come.
    void this.#settled.then(() => this.onclose?.())
  }

  expect(message: McpRequest, window: SendWindow | null): void {
    if (message.method === 'tools/call') this.#announced.set(message.params.arguments, window)
  }

  /** Bytes that a child which does not read has left with us: they would leave whenever it does. */
  get backlogBytes(): number {
    return this.#child?.stdin?.writableLength ?? 0
  }

  /** A write has left, and has no answer. */
  isUnanswered(window: SendWindow | null): boolean {
    return [...this.#writes.values()].some((write) => write === window)
  }

  #isOver(id: string | number): void {
    const group = this.#group?.id
    if (group !== undefined && this.#writes.has(id)) writeIsOver(group, id)
    this.#writes.delete(id)
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const window = this.#windowOf(message)
    if (window && 'method' in message && 'id' in message) await this.#sendWrite(message, window)
    else await this.#write(message)
  }

  #windowOf(message: JSONRPCMessage): SendWindow | null {
    if (!('method' in message) || message.method !== 'tools/call') return null
    const window = this.#announced.get(message.params?.['arguments'] as object)
    if (window === undefined) throw new Error('a call that nobody has announced')
    return window
  }

  /** Writes in the same turn as it looks at the clocks: nothing waits between them and the pipe. */
  async #sendWrite(message: JSONRPCRequest, window: SendWindow): Promise<void> {
    const { group } = this.#connected()
    window.assertOpen()
    try {
      if (!(await isWatched(group, message.id, window)))
        throw new CodedError('WRITE_NOT_SENT', 'nobody would end the program if this worker could not')
      this.#connected()
      if (this.backlogBytes > 0) throw new LocalFailure('not_reading')
      // Whoever cannot be ended keeps what is in its pipe for as long as it likes.
      const why = whyNotEndable(group, this.#input)
      if (why !== null) throw new LocalFailure(why)
      window.pass()
    } catch (error) {
      writeIsOver(group, message.id)
      throw error
    }
    this.#turn.expect(window.deadlineAtMs)
    this.#writes.set(message.id, window)
    await this.#write(message)
  }

  async #write(message: JSONRPCMessage): Promise<void> {
    const { stdin } = this.#connected()
    if (this.#isLeftOut(message)) return
    if ('method' in message && 'id' in message) this.#awaited.set(message.id, message.method)
    if (!stdin.write(serializeMessage(message)))
      await new Promise<void>((resolve) => stdin.once('drain', resolve))
  }

  /** It counts as open while something that it has said waits for its turn. */
  #connected(): { stdin: Writable; group: number } {
    const { stdin, exitCode, signalCode } = this.#child ?? {}
    const group = this.#group?.id
    if (!stdin || group === undefined || exitCode !== null || signalCode !== null)
      throw new Error('Not connected')
    return { stdin, group }
  }

  /** MCP forbids to cancel `initialize`; the SDK does so all the same when the time is over. */
  #isLeftOut(message: JSONRPCMessage): boolean {
    if (!('method' in message)) return false
    if (message.method === 'notifications/initialized') this.#isInitialized = true
    return message.method === 'notifications/cancelled' && !this.#isInitialized
  }

  /** Something has come, and was not read yet. */
  get hasUnread(): boolean {
    return this.#turn.hasUnread
  }

  kill(): void {
    this.#turn.close()
    if (this.#child) this.#group?.end('SIGKILL')
  }

  /** Resolves when it has ended, or was sent SIGKILL: at the latest when the last write without an answer is overdue. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#turn.close()
    const child = this.#child
    if (!child) return
    this.#child = undefined
    let isClosed = false
    // Not by `once`, which fails with the child: one that may not be ended is an error of the child, too.
    const closed = new Promise<void>((resolve) => child.on('close', resolve)).then(() => (isClosed = true))
    const patienceMs = this.#patienceMs()
    const patience = (): Promise<unknown> =>
      Promise.race([closed, sleep(patienceMs, undefined, { ref: false })])
    if (patienceMs === 0) return this.#group?.end('SIGKILL')
    child.stdin.end()
    await patience()
    if (!isClosed) {
      this.#group?.end('SIGTERM')
      await patience()
    }
    if (!isClosed) this.#group?.end('SIGKILL')
  }

  /** Asked twice, it has gone by when the last write without an answer is overdue. */
  #patienceMs(): number {
    if (this.#writes.size === 0) return END_PATIENCE_MS
    const remaining = [...this.#writes.values()].map((window) => window.remainingMs)
    return Math.min(END_PATIENCE_MS, Math.max(0, ...remaining) / 2)
  }

  async #read(chunk: Buffer): Promise<void> {
    let rest = chunk
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      this.#keep(rest.subarray(0, end))
      if (this.#isOversized) return
      await this.#take(Buffer.concat(this.#chunks))
      this.#chunks = []
      this.#bytes = 0
      rest = rest.subarray(end + 1)
    }
    this.#keep(rest)
  }

  #keep(part: Buffer): void {
    if (this.#isOversized) return
    this.#bytes += part.length
    this.#work.bytes += part.length
    this.#chunks.push(part)
    const most = this.#maxMessageBytes
    if (this.#bytes > most) this.#refuse(`${most} bytes in one message`)
    // What a child says before its answer may be as much as that.
    else if (this.#work.bytes > 2 * most) this.#refuse(`${2 * most} bytes before an answer`)
  }

  #refuse(most: string): Error {
    this.#isOversized = true
    this.#chunks = []
    this.onoversized?.(most)
    return new Error(`a message with more than ${most}`)
  }

  #hasAnswer(id: number): void {
    if (this.#awaited.delete(id)) this.#work.beginAnew()
    this.#isOver(id)
  }

  /** A line that is no JSON is one for people, which should stand on standard error. */
  async #take(line: Uint8Array): Promise<void> {
    const onTooLarge = (most: string): Error => this.#refuse(most)
    try {
      const read = await readBytes(line, {
        awaited: this.#awaited,
        onTooLarge,
        turn: this.#turn,
        work: this.#work,
      })
      if (read === null || read === '') return
      const message = deserializeMessage(read)
      if (!('method' in message) && message.id !== undefined) this.#hasAnswer(Number(message.id))
      this.onmessage?.(message)
    } catch (error) {
      this.onerror?.(error as Error)
    }
  }
}
