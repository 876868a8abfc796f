/**
 * Whoever reads a large answer keeps everybody else of the process waiting. So large ones are read one after the other,
 * in turn by organization, and after each the others have about as long.
 */
import { createSeats } from '../lib/fair-seats.ts'
import { LocalFailure } from './errors.ts'

const turns = createSeats({ total: 1, perOwner: 1 })
/** What follows, until an answer is kept, takes about once and a half as long as it did; and then others have as long as both. */
const REST = 4
/** Before the deadline of a write its answer is read out of turn, so that nobody has to say that there was none. */
const LEAD_MS = 2_000

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
    setTimeout(() => this.#readNow(), deadlineAtMs - LEAD_MS - Date.now()).unref()
  }

  /** What waits is read no more. */
  close(): void {
    this.#isClosed = true
    this.#readNow()
  }

  async take<T>(read: () => T): Promise<T> {
    this.#unread += 1
    try {
      const giveBack = this.#isDue() ? null : await this.#turn()
      const begunAtMs = performance.now()
      try {
        return read()
      } finally {
        if (giveBack) setTimeout(giveBack, REST * (performance.now() - begunAtMs)).unref()
      }
    } finally {
      this.#unread -= 1
    }
  }

  /** Null: it is read out of turn. */
  async #turn(): Promise<(() => void) | null> {
    const turn = await turns.take(this.#owner, this.#hurry.signal).catch(() => null)
    if (turn && this.#isClosed) turn()
    if (this.#isClosed) throw new LocalFailure('interrupted')
    return turn
  }

  #isDue(): boolean {
    const nowMs = Date.now()
    for (const dueAtMs of this.#dueAtMs) {
      if (dueAtMs <= nowMs) this.#dueAtMs.delete(dueAtMs)
      else if (dueAtMs - LEAD_MS <= nowMs) return true
    }
    return false
  }

  #readNow(): void {
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
