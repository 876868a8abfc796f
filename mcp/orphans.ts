/**
 * Programs for stdio connections end with this process, also when it is killed and can do nothing about it: a small
 * process beside it reads a pipe that ends with us, and then ends what is left. Many servers do not mind that their input
 * has ended. Programs are groups, for a package manager starts the server as a process of its own.
 */
import type { SendWindow } from '../lib/send-window.ts'
import { Watcher } from './watcher.ts'

/** One that cannot live is not started again and again. */
const RESTART_PAUSE_MS = 1_000
/** Between two looks whether somebody still watches over a write under way. */
const LOOK_MS = 1_000

/** By group: the writes in its pipe that have no answer, by their ids. All of it is told to whoever watches next. */
const living = new Map<number, Map<string | number, SendWindow>>()
let watcher: Watcher | undefined
let looks: NodeJS.Timeout | undefined

/** `group`: the id of a process that leads a group of its own. */
export function endWithUs(group: number): void {
  living.set(group, new Map())
  if (watcher) tell(`begun ${group}`)
  else startWatcher()
}

/** From now on its id may be that of somebody else. */
export function hasEnded(group: number): void {
  if (living.delete(group)) tell(`ended ${group}`)
}

/**
 * A write is about to go into the pipe of this group. Where it has no answer in time and this process, which would see to
 * it, stands still or is gone, the group ends all the same, within a second of the deadline: before a second look of
 * others. False: nobody has heard of the write, who would do so in the place of this process.
 */
export async function isWatched(group: number, write: string | number, window: SendWindow): Promise<boolean> {
  living.get(group)?.set(write, window)
  tell(sentLine(group, write, window))
  looks ??= setInterval(lookAgain, LOOK_MS).unref()
  return hasHeard()
}

/** Answered, or not sent at all, or this process has seen to it. */
export function writeIsOver(group: number, write: string | number): void {
  living.get(group)?.delete(write)
  tell(`over ${group} ${write}`)
}

function lookAgain(): void {
  if ([...living.values()].some((writes) => writes.size > 0)) return void hasHeard()
  clearInterval(looks)
  looks = undefined
}

/** What was told. One that stands still is ended for it, and whoever comes after it is asked. */
async function hasHeard(): Promise<boolean> {
  const asked = watcher
  if (!asked) return false
  if (await asked.hasHeard()) return true
  if (watcher === asked) {
    asked.kill()
    startWatcher()
  }
  return (await watcher?.hasHeard()) ?? false
}

function sentLine(group: number, write: string | number, window: SendWindow): string {
  return `sent ${group} ${write} ${window.deadlineAtMs} ${window.remainingMs}`
}

function tell(line: string): void {
  watcher?.tell(line)
}

function startWatcher(): void {
  const startedAtMs = performance.now()
  const startAnew = (): void => {
    if (watcher === undefined && living.size > 0) startWatcher()
  }
  const started = new Watcher(() => {
    if (watcher !== started) return
    watcher = undefined
    // At once: what is under way has nobody else.
    if (performance.now() - startedAtMs > RESTART_PAUSE_MS) startAnew()
    else setTimeout(startAnew, RESTART_PAUSE_MS).unref()
  })
  watcher = started
  for (const [group, writes] of living) {
    tell(`begun ${group}`)
    for (const [write, window] of writes) tell(sentLine(group, write, window))
  }
}
