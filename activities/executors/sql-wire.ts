/**
 * What a target database sends, looked at before the driver reads it. The driver believes every length and count, and
 * reads in a callback of the socket: what it throws there would end the worker, a text without an end would have it read
 * for ever, and an answer without an end would take all memory. So it is given whole messages of known form only, one at
 * a time, and at most so many bytes, messages and rows for each statement. Whatever else comes breaks the connection.
 */
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { partsOf } from '../../lib/json-shape.ts'
import { MAX_ANSWER_BYTES, MAX_ANSWER_PARTS, readableBytes } from '../../lib/limits.ts'
import type { PacedSocket } from '../../lib/paced-socket.ts'
import { boundHandshake } from '../../lib/tls-bounds.ts'
import { BYTES_FOR_CONTENT, MAX_BYTES_AROUND } from '../../lib/wire-meter.ts'

/** What the driver does not declare. */
export interface DriverConnection {
  /** A PacedSocket; or, by then, TLS over it. */
  stream: Duplex
  /** Called once, with the socket that is read. */
  attachListeners(stream: EventEmitter): void
  /** Each statement of ours begins with one of these two; what the driver sends by itself does not. */
  parse(statement: unknown): void
  query(text: string): void
}

/** The database has answered with more than we accept. */
export class AnswerTooLargeError extends Error {}

/** Its list, its text, and the comma to the next one. */
export const PARTS_OF_PAIR = 3

/** Notices of the target's triggers included. */
const MAX_MESSAGES = 10_000
/** Our statements read at most two. */
const MAX_ROWS = 16
/** PostgreSQL itself gives at most 1,664. */
const MAX_COLUMNS = 1_664

export function guardAnswers(connection: DriverConnection): void {
  const { attachListeners, parse, query } = connection
  const answers = new Answers()
  const wire = connection.stream
  wire.on('piece', ({ length }: Buffer) => destroyedBy(wire, () => answers.hasCome(length)))
  Object.assign(connection, {
    attachListeners(stream: Duplex) {
      if (stream !== wire) boundHandshake(wire as PacedSocket, stream)
      const driver = new EventEmitter()
      attachListeners.call(connection, driver)
      stream.on('data', (chunk: Buffer) =>
        destroyedBy(stream, () => answers.take(chunk, (message) => driver.emit('data', message))),
      )
    },
    parse(statement: unknown) {
      answers.begin()
      parse.call(connection, statement)
    },
    query(text: string) {
      answers.begin()
      query.call(connection, text)
    },
  } satisfies Partial<DriverConnection>)
}

function destroyedBy(stream: Duplex, read: () => void): void {
  try {
    read()
  } catch (error) {
    stream.destroy(faultOf(error))
  }
}

class StrangeAnswerError extends Error {
  constructor(detail: string, cause?: unknown) {
    super(`the database does not answer as PostgreSQL does: ${detail}`, { cause })
  }
}

function faultOf(error: unknown): Error {
  if (error instanceof AnswerTooLargeError || error instanceof StrangeAnswerError) return error
  return new StrangeAnswerError('the driver cannot read its message', error)
}

/** Type and length. */
const HEAD_BYTES = 5
const NO_BYTES = Buffer.alloc(0)
/** Those whose form the driver does not have to believe. Copying and replication are nothing that we ask for. */
const PLAIN_TYPES = '123ACIKSZt'

class Answers {
  /** A message whose end has not come yet; behind it there may be room. */
  #held: Buffer = NO_BYTES
  #heldBytes = 0
  #bytes = 0
  #bytesAround = 0
  #messages = 0
  #rows = 0
  #columns = 0
  readonly #logins = new Set<number>()

  /** A statement is sent: what comes from now on is its answer. */
  begin(): void {
    this.#bytes = this.#bytesAround = this.#messages = this.#rows = 0
  }

  /** From the wire, where with TLS more comes than what is said: also messages that carry nothing. */
  hasCome(bytes: number): void {
    this.#bytesAround += bytes
    if (this.#bytesAround > MAX_BYTES_AROUND)
      throw new AnswerTooLargeError(
        `the database sends over ${MAX_BYTES_AROUND} bytes around what it has to say`,
      )
  }

  take(chunk: Buffer, pass: (message: Buffer) => void): void {
    this.#bytes += chunk.length
    this.#bytesAround -= BYTES_FOR_CONTENT * chunk.length
    refuseMore(this.#bytes)
    let rest = this.#joined(chunk)
    for (let end = endOf(rest); end <= rest.length; end = endOf(rest)) {
      const message = rest.subarray(0, end)
      this.#check(message)
      pass(message)
      rest = rest.subarray(end)
    }
    if (rest.length !== this.#heldBytes || rest.length === 0) {
      this.#held = rest.length === 0 ? NO_BYTES : rest
      this.#heldBytes = rest.length
    }
  }

  /** With room that doubles, so that many small pieces are not copied again for each. */
  #joined(chunk: Buffer): Buffer {
    if (this.#heldBytes === 0) return chunk
    const bytes = this.#heldBytes + chunk.length
    if (bytes > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#heldBytes))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldBytes)
    this.#heldBytes = bytes
    return this.#held.subarray(0, bytes)
  }

  #check(message: Buffer): void {
    if (++this.#messages > MAX_MESSAGES)
      throw new AnswerTooLargeError(`the answer of the database has over ${MAX_MESSAGES} messages`)
    const type = String.fromCharCode(message[0] ?? 0)
    if (type === 'R') this.#checkLogin(message)
    else if (type === 'E' || type === 'N') checkFields(message)
    else if (type === 'T') this.#columns = columnsOf(message)
    else if (type === 'n') this.#columns = 0
    else if (type === 'D') this.#checkRow(message)
    else if (!PLAIN_TYPES.includes(type))
      throw new StrangeAnswerError(`a message of type ${JSON.stringify(type)}`)
  }

  /** Each step once: one that is asked for again has us compute its hash again. */
  #checkLogin(message: Buffer): void {
    const step = message.length < 9 ? -1 : message.readInt32BE(HEAD_BYTES)
    if (!KNOWN_LOGINS.has(step))
      throw new StrangeAnswerError(
        `it asks for a login of kind ${step}; a password, MD5 and SCRAM-SHA-256 are what we know`,
      )
    if (this.#logins.has(step)) throw new StrangeAnswerError(`it asks for step ${step} of the login again`)
    this.#logins.add(step)
  }

  #checkRow(message: Buffer): void {
    if (++this.#rows > MAX_ROWS)
      throw new AnswerTooLargeError(`the answer of the database has over ${MAX_ROWS} rows`)
    if (countIn(message) !== this.#columns) throw new StrangeAnswerError('a row of another form than it says')
    let at = HEAD_BYTES + 2
    for (let column = 0; column < this.#columns; column++) {
      const length = at + 4 <= message.length ? message.readInt32BE(at) : -2
      if (length < -1) throw new StrangeAnswerError('a row that does not fit into its message')
      at += 4 + Math.max(0, length)
    }
    if (at !== message.length) throw new StrangeAnswerError('a row that does not fit into its message')
  }
}

/** It is fine (0), a password (3), MD5 (5), SCRAM: begin (10), go on (11), end (12). */
const KNOWN_LOGINS = new Set([0, 3, 5, 10, 11, 12])

/** Of the first message; beyond what there is while its head is not. */
function endOf(bytes: Buffer): number {
  if (bytes.length < HEAD_BYTES) return HEAD_BYTES
  const length = bytes.readUInt32BE(1)
  if (length < 4) throw new StrangeAnswerError(`a message with a length of ${length}`)
  refuseMore(length)
  return 1 + length
}

function refuseMore(bytes: number): void {
  if (bytes > MAX_ANSWER_BYTES)
    throw new AnswerTooLargeError(
      `the answer of the database has over ${readableBytes(MAX_ANSWER_BYTES)}, which is the most`,
    )
}

/** Of texts that are JSON, before they are parsed. Throws AnswerTooLargeError. */
export function refuseMany(texts: readonly string[], most: number = MAX_ANSWER_PARTS): void {
  if (partsOf(texts.join(), most) > most)
    throw new AnswerTooLargeError(
      `the answer of the database has over ${most} values and names, which is the most`,
    )
}

function countIn(message: Buffer): number {
  return message.length < HEAD_BYTES + 2 ? -1 : message.readInt16BE(HEAD_BYTES)
}

/** Of an error or a notice: each a letter and a text, and at the end, as the last byte, none. */
function checkFields(message: Buffer): void {
  let at = HEAD_BYTES
  while (at < message.length && message[at] !== 0) at = afterText(message, at + 1)
  if (at !== message.length - 1) throw new StrangeAnswerError('an error or a notice without its end')
}

/** Of each column its name, and 18 bytes about it. */
function columnsOf(message: Buffer): number {
  const columns = countIn(message)
  if (columns < 0 || columns > MAX_COLUMNS) throw new StrangeAnswerError(`a row of ${columns} columns`)
  let at = HEAD_BYTES + 2
  for (let column = 0; column < columns; column++) at = afterText(message, at) + 18
  if (at !== message.length) throw new StrangeAnswerError('columns that do not fit into their message')
  return columns
}

function afterText(message: Buffer, at: number): number {
  const end = at < message.length ? message.indexOf(0, at) : -1
  if (end === -1) throw new StrangeAnswerError('a text without its end')
  return end + 1
}
