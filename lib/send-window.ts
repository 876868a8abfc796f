/**
 * The wire rule: of a write only our own side of the wire may say that it was not sent, and right before its bytes leave
 * the deadline is looked at, and how long its approval is good for, by two clocks.
 *
 * A window is opened before a write is claimed. Whoever holds the socket or the pipe passes it in the same turn in which
 * the bytes are handed over, and it can be passed once. As long as nobody has, and only then, it gives the proof that
 * nothing was sent; having given it, it lets nothing pass any more. So an error says nothing about the wire, wherever it
 * comes from, and a process that stood still between any two lines sends nothing late.
 */
import { CodedError } from '../schemas/errors.ts'
import { Stopwatch } from './stopwatch.ts'

/** That a write was surely not sent. Its class is not exported: only a window makes one. */
class NotSent {
  readonly #error: CodedError

  constructor(error: CodedError) {
    this.#error = error
  }

  get error(): CodedError {
    return this.#error
  }
}

export type { NotSent }

export class SendWindow {
  readonly #sinceOpened = new Stopwatch()
  readonly #durationMs: number
  readonly #lapsesInMs: number
  #state: 'open' | 'passed' | 'given up' = 'open'

  /** `lapsesInMs`: what allows the write may hold for less time than its call has. From then on it is not begun. */
  constructor(durationMs: number, lapsesInMs = Infinity) {
    this.#durationMs = durationMs
    this.#lapsesInMs = lapsesInMs
  }

  /** Epoch ms. */
  get deadlineAtMs(): number {
    return this.#sinceOpened.startedAtMs + this.#durationMs
  }

  get remainingMs(): number {
    return this.#durationMs - this.#sinceOpened.elapsedMs
  }

  /** For bytes that have no effect by themselves. Throws WRITE_NOT_SENT. */
  assertOpen(): void {
    if (this.#state === 'passed')
      throw new CodedError('CALL_INTERRUPTED', 'a write is sent once, and this one was')
    if (this.#state === 'given up' || this.remainingMs <= 0)
      throw new CodedError('WRITE_NOT_SENT', 'its time was over before it could be sent')
    if (this.#sinceOpened.elapsedMs > this.#lapsesInMs)
      throw new CodedError('WRITE_NOT_SENT', 'its approval has lapsed before it could be sent')
  }

  /** Directly before the bytes that the other side acts on. Throws as `assertOpen`, and then they must not leave. */
  pass(): void {
    this.assertOpen()
    this.#state = 'passed'
  }

  get hasPassed(): boolean {
    return this.#state === 'passed'
  }

  /** Null: something was sent, and what became of it nobody on our side knows. Else nothing was, nor will be. */
  giveUp(error: CodedError): NotSent | null {
    if (this.#state === 'passed') return null
    this.#state = 'given up'
    return new NotSent(error)
  }
}
