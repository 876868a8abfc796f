/**
 * How long ago something was, by two clocks: a wall clock is set, and a monotonic one may stand still while the machine
 * sleeps. Whichever is further on counts.
 */
export class Stopwatch {
  readonly startedAtMs = Date.now()
  readonly #startedAtMonotonicMs = performance.now()

  get elapsedMs(): number {
    return Math.max(Date.now() - this.startedAtMs, performance.now() - this.#startedAtMonotonicMs)
  }
}
