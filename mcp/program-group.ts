/** A program with all that is in its group of processes: ours to end, as long as the id is surely still that of this group. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { endWithUs, hasEnded } from './orphans.ts'
import { isThere, mayEnd, signalGroup } from './process-tree.ts'

/** What it has said before its end is in the pipe by then: when this long nothing has come, that was all. */
const LAST_WORDS_MS = 500
/** Whoever has got its output from it may go on and on. */
const MOST_LAST_WORDS = 10

export class ProgramGroup {
  readonly #leader: ChildProcess
  readonly #pid: number
  #isOurs = true

  /** `pid`: of the leader, and so the id of the group. */
  constructor(leader: ChildProcess, pid: number) {
    this.#leader = leader
    this.#pid = pid
    endWithUs(pid)
  }

  /** Undefined: by now it may be the id of somebody else. */
  get id(): number | undefined {
    return this.#isOurs ? this.#pid : undefined
  }

  /** Its leader has ended. As long as anybody of the group lives, nobody else gets its id. */
  forgetIfGone(): void {
    if (this.#isOurs && !isThere(this.#pid)) this.forget()
  }

  /** Resolves when its leader, which has ended, has said all, as far as one can tell. */
  async lastWords(heardBytes: () => Promise<number>): Promise<void> {
    for (let times = 0, before = -1; times < MOST_LAST_WORDS; times++) {
      const heard = await heardBytes()
      if (heard === before) return
      before = heard
      await sleep(LAST_WORDS_MS, undefined, { ref: false })
      this.forgetIfGone()
    }
  }

  forget(): void {
    if (!this.#isOurs) return
    this.#isOurs = false
    hasEnded(this.#pid)
  }

  /** A package manager does not hand a signal on to what it has started. */
  end(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#isOurs && signalGroup(this.#pid, signal)) return
    if (this.#leader.exitCode !== null || this.#leader.signalCode !== null) return
    if (mayEnd(this.#pid)) this.#leader.kill(signal)
    else
      process.stderr.write(
        `Program ${this.#pid} runs on: it has an account whose programs this worker may not end.\n`,
      )
  }
}
