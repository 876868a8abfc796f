/**
 * Programs for stdio connections end with this process, also when it is killed and can do nothing about it: a small
 * process beside it reads a pipe that ends with us, and then ends what is left. Many servers do not mind that their input
 * has ended. Programs are groups, for a package manager starts the server as a process of its own.
 */
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'
import { spawn, type ChildProcess } from 'node:child_process'
import type { SendWindow } from '../lib/send-window.ts'
import { WATCHER_SCRIPT } from './watcher-script.ts'

/** One that cannot live is not started again and again. */
const RESTART_PAUSE_MS = 1_000

/** By group: the writes in its pipe that have no answer, by their ids. All of it is told to whoever watches next. */
const living = new Map<number, Map<string | number, SendWindow>>()
let watcher: ChildProcess | undefined

/** `group`: the id of a process that leads a group of its own. */
export function endWithUs(group: number): void {
  living.set(group, new Map())
  if (watcher) tell(`begun ${group}`)
  else startWatcher()
}

export function hasEnded(group: number): void {
  if (living.delete(group)) tell(`ended ${group}`)
}

/** False: nobody would end a program in the place of this process. */
export function isWatched(): boolean {
  return watcher !== undefined
}

/**
 * A write is in the pipe of this group. Where it has no answer in time and this process, which would see to it, stands
 * still or is gone, the group ends all the same, within a second of the deadline: before a second look of others.
 */
export function writeIsSent(group: number, write: string | number, window: SendWindow): void {
  living.get(group)?.set(write, window)
  tell(sentLine(group, write, window))
}

/** Answered, or this process has seen to it. */
export function writeIsOver(group: number, write: string | number): void {
  living.get(group)?.delete(write)
  tell(`over ${group} ${write}`)
}

function sentLine(group: number, write: string | number, window: SendWindow): string {
  return `sent ${group} ${write} ${window.deadlineAtMs} ${window.remainingMs}`
}

function tell(line: string): void {
  watcher?.stdin?.write(`${line}\n`)
}

function startWatcher(): void {
  const startedAtMs = performance.now()
  const started = spawn(process.execPath, ['-e', WATCHER_SCRIPT], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: getDefaultEnvironment(),
    cwd: '/',
  })
  const startAnew = (): void => {
    if (watcher === undefined && living.size > 0) startWatcher()
  }
  const forget = (): void => {
    if (watcher !== started) return
    watcher = undefined
    // At once: what is under way has nobody else.
    if (performance.now() - startedAtMs > RESTART_PAUSE_MS) startAnew()
    else setTimeout(startAnew, RESTART_PAUSE_MS).unref()
  }
  watcher = started
  started.on('error', forget)
  started.on('exit', forget)
  // Its end is told by the other two.
  started.stdin.on('error', () => {})
  started.unref()
  const { stdin } = started as unknown as { stdin: { unref?: () => void } }
  stdin.unref?.()
  for (const [group, writes] of living) {
    tell(`begun ${group}`)
    for (const [write, window] of writes) tell(sentLine(group, write, window))
  }
}
