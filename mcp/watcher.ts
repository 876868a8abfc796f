/**
 * The process that watches beside this one, at its pipe: what it is told, and whether it has heard it. One that stands
 * still is there, takes what it is told, and hears nothing.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'
import { WATCHER_SCRIPT } from './watcher-script.ts'

/** An answer takes well below a millisecond. */
const ANSWER_MS = 1_000
/** Of one that has not said anything yet: a process takes its time to start on a busy machine. */
const FIRST_ANSWER_MS = 5_000

export class Watcher {
  readonly #process: ChildProcess
  /** In the order in which they have asked. */
  readonly #waiting: ((hasHeard: boolean) => void)[] = []
  #hasAnswered = false

  /** `onEnd`: it has ended, or could not be started. */
  constructor(onEnd: () => void) {
    const started: ChildProcess = spawn(process.execPath, ['-e', WATCHER_SCRIPT], {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: getDefaultEnvironment(),
      cwd: '/',
    })
    this.#process = started
    const end = (): void => {
      onEnd()
      for (const answer of this.#waiting.splice(0)) answer(false)
    }
    started.on('error', end)
    started.on('exit', end)
    started.stdout?.on('data', (answers: Buffer) => {
      this.#hasAnswered = true
      for (const answer of this.#waiting.splice(0, answers.length)) answer(true)
    })
    // Its end is told by the other two.
    for (const pipe of [started.stdin, started.stdout]) pipe?.on('error', () => {})
    // It keeps no process from ending.
    for (const one of [started, started.stdin, started.stdout])
      (one as { unref?: () => void } | null)?.unref?.()
    // So that nobody has to wait for its start when it is there.
    void this.hasHeard()
  }

  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  /** Whether it has heard all that it was told before. False: it stands still, or has ended. */
  hasHeard(): Promise<boolean> {
    return new Promise((resolve) => {
      const patienceMs = this.#hasAnswered ? ANSWER_MS : FIRST_ANSWER_MS
      // An answer that has come while we stood still is read before that.
      const timer = setTimeout(() => setImmediate(resolve, false), patienceMs).unref()
      this.#waiting.push((hasHeard) => {
        clearTimeout(timer)
        resolve(hasHeard)
      })
      this.tell('ask')
    })
  }

  /** Also one that stands still. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
