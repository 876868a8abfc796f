/**
 * Whoever reads a large answer keeps everybody else of the process waiting. So large ones are read one after the other,
 * in turn by organization, and after each the others have about as long; between small ones the others have their turn
 * every few milliseconds.
 */
import { createSeats } from '../lib/fair-seats.ts'
import { LocalFailure } from './errors.ts'
import { inStretch } from './stretch.ts'

/** What follows, until an answer is kept, takes about once and a half as long as it did; and then others have as long as both. */
const REST = 4
const turns = { seats: createSeats({ total: 1, perOwner: 1 }), rest: REST }
/** Before the deadline of a write its answer is read with the next turn there is, so that nobody has to say that there was none. */
const LEAD_MS = 2_000
/** Those that are due have turns of their own, and others have half of the time. */
const dueTurns = { seats: createSeats({ total: 1, perOwner: 1 }), rest: 1 }

/** Of one session, or of the pipe to one child. */
export class ReadingTurn {
  readonly #owner: string
  /** Deadlines of writes whose answers may be among what waits. */
  readonly #dueAtMs = new Set<number>()
  /** Ends the waits there are. */
  #hurry = new AbortController()
  #isClosed = false
  #unread = 0

  /** `owner`: the organization. */
  constructor(owner: string) {
    this.#owner = owner
  }

  /** Something has come, and was not read yet. */
  get hasUnread(): boolean {
    return this.#unread > 0
  }

  /** A write is sent. */
  expect(deadlineAtMs: number): void {
    this.#dueAtMs.add(deadlineAtMs)
    setTimeout(() => this.#endWaits(), deadlineAtMs - LEAD_MS - Date.now()).unref()
  }

  /** What waits is read no more. */
  close(): void {
    this.#isClosed = true
    this.#endWaits()
  }

  /** What is small waits for nobody's turn. */
  async take<T>(read: () => T, { isLarge }: { isLarge: boolean }): Promise<T> {
    this.#unread += 1
    try {
      if (!isLarge) return await inStretch(this.#owner, read)
      const giveBack = await this.#turn()
      const begunAtMs = performance.now()
      try {
        return read()
      } finally {
        giveBack(performance.now() - begunAtMs)
      }
    } finally {
      this.#unread -= 1
    }
  }

  /** Gives the turn back, after a rest. */
  async #turn(): Promise<(tookMs: number) => void> {
    for (let isDue = this.#isDue(); ; isDue = true) {
      const { seats, rest } = isDue ? dueTurns : turns
      const giveBack = await seats.take(this.#owner, this.#hurry.signal).catch(() => null)
      if (this.#isClosed) {
        giveBack?.()
        throw new LocalFailure('interrupted')
      }
      if (giveBack) return (tookMs) => void setTimeout(giveBack, rest * tookMs).unref()
    }
  }

  #isDue(): boolean {
    const nowMs = Date.now()
    for (const dueAtMs of this.#dueAtMs) {
      if (dueAtMs <= nowMs) this.#dueAtMs.delete(dueAtMs)
      else if (dueAtMs - LEAD_MS <= nowMs) return true
    }
    return false
  }

  #endWaits(): void {
    this.#hurry.abort()
    this.#hurry = new AbortController()
  }
}

/** What a call is told that ran out of time while its answer may have waited. */
export function toldOf(error: unknown, turn: { hasUnread: boolean } | undefined): unknown {
  if (!(error instanceof LocalFailure) || error.kind !== 'deadline' || turn?.hasUnread !== true) return error
  const detail = 'a large answer has come, but its turn to be read has not before the deadline'
  return new LocalFailure('deadline', detail)
}
