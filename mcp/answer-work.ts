/**
 * What a server gives us to do for one request: each message may be small, and be one of a million. Counted until the
 * request has its answer, over all streams that it is resumed with; an answer begins anew.
 */
import { MAX_ANSWER_PARTS } from '../lib/limits.ts'

/**
 * Of events of a stream, lines of a child and messages in a list: a tool that tells its progress ten times a second does so
 * for half an hour.
 */
const MAX_MESSAGES = 20_000
/** As much again as the answer may have, for what is told before it. */
const MAX_PARTS = 2 * MAX_ANSWER_PARTS
/** Of data, in events; a value that is written for people has one or two. */
const MAX_LINES = 2 * MAX_ANSWER_PARTS
/** A server that waits for ours may ask again and again whether we are there. */
const MAX_PINGS = 1_000
/** We declare no capability, so every other request is a mistake: these are told so, and further ones nothing. */
const MAX_REQUESTS = 4
/** What one message costs beside its values. */
const MESSAGE_PARTS = 20
/** Less than either costs about 30 ms of the thread, until it is kept. */
const LARGE_PARTS = 10_000
const LARGE_LENGTH = 512 * 1024

export interface Portion {
  messages?: number
  lines?: number
  parts?: number
}

export class AnswerWork {
  /** Of bodies, kept by whoever reads them. */
  bytes = 0
  #messages = 0
  #lines = 0
  #parts = 0
  #pings = 0
  #requests = 0
  /** Since something took its turn. */
  #owed = { parts: 0, length: 0 }

  /** How much is taken, in words, if this is more. */
  excessWith({ messages = 0, lines = 0, parts = 0 }: Portion): string | null {
    this.#messages += messages
    this.#lines += lines
    this.#parts += parts
    this.#owed.parts += messages * MESSAGE_PARTS
    if (this.#messages > MAX_MESSAGES) return `${MAX_MESSAGES} messages`
    if (this.#lines > MAX_LINES) return `${MAX_LINES} lines`
    return this.#parts > MAX_PARTS ? `${MAX_PARTS} values and names, with what is told before it` : null
  }

  /** Together with what was read since the last one that was. */
  isLarge({ parts, length }: { parts: number; length: number }): boolean {
    const owed = this.#owed
    owed.parts += parts
    owed.length += length
    const isLarge = owed.parts > LARGE_PARTS || owed.length > LARGE_LENGTH
    if (isLarge) this.#owed = { parts: 0, length: 0 }
    return isLarge
  }

  /** A request of the server is answered. */
  mayAsk(method: string): boolean {
    return method === 'ping' ? ++this.#pings <= MAX_PINGS : ++this.#requests <= MAX_REQUESTS
  }

  /** The request has its answer. */
  beginAnew(): void {
    this.bytes = 0
    this.#messages = 0
    this.#lines = 0
    this.#parts = 0
    this.#pings = 0
    this.#requests = 0
  }
}
