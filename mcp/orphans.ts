/**
 * Programs for stdio connections end with this process, also when it is killed and can do nothing about it: a shell beside
 * it reads a pipe that ends with us, and then ends what is left. Many servers do not mind that their input has ended.
 */
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'
import { spawn, type ChildProcess } from 'node:child_process'

/**
 * They are groups, for a package manager starts the server as a process of its own. A call may be in the pipe of one that
 * stands still: it is gone before others may conclude what became of it (`DEADLINE_MARGIN_MS` of the ledger, 1.5 s).
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=' '
writes=' '
without() {
  kept=' '
  for write in $writes; do
    case $write in $1) ;; *) kept="$kept$write " ;; esac
  done
  writes=$kept
}
{
  while sleep 1; do echo tick; done &
  cat
  kill -9 $!
  echo gone
} | {
  while read -r what group write seconds && [ "$what" != gone ]; do
    case $what in
      begun) groups="$groups$group " ;;
      ended) groups="\${groups%% $group *} \${groups#* $group }"; without "$group:*" ;;
      sent) writes="$writes$group:$write:$seconds " ;;
      over) without "$group:$write:*" ;;
      tick)
        kept=' '
        for each in $writes; do
          left=\${each##*:}
          if [ "$left" -gt 0 ]; then kept="$kept\${each%:*}:$((left - 1)) "
          else kill -9 "-\${each%%:*}" 2>/dev/null; fi
        done
        writes=$kept ;;
    esac
  done
  sleep 1
  for group in $groups; do kill -9 "-$group" 2>/dev/null; done
}`

const living = new Set<number>()
let watcher: ChildProcess | undefined

/** `group`: the id of a process that leads a group of its own. */
export function endWithUs(group: number): void {
  living.add(group)
  if (watcher) tell(`begun ${group}`)
  else startWatcher()
}

export function hasEnded(group: number): void {
  if (living.delete(group)) tell(`ended ${group}`)
}

/**
 * A write is in the pipe of this group. Where it has no answer in time and this process, which would see to it, stands
 * still, the group ends all the same, within two seconds of its deadline: before a second look of others.
 */
export function writeIsSent(group: number, write: string | number, remainingMs: number): void {
  tell(`sent ${group} ${write} ${Math.max(0, Math.ceil(remainingMs / 1_000))}`)
}

/** Answered, or this process has seen to it. */
export function writeIsOver(group: number, write: string | number): void {
  tell(`over ${group} ${write}`)
}

/** False: there is no such group any more, or it is not ours to end. */
export function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

/** False: it runs under an account whose programs this process may not end. That of one that is gone is nobody's. */
export function mayEnd(pid: number | undefined): boolean {
  try {
    return pid === undefined || process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM'
  }
}

function tell(line: string): void {
  watcher?.stdin?.write(`${line}\n`)
}

/** One that has ended is started anew for whoever lives; where there is no shell, nobody watches. */
function startWatcher(): void {
  const started = spawn('sh', ['-c', SCRIPT], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: getDefaultEnvironment(),
    cwd: '/',
  })
  const forget = (): void => {
    if (watcher === started) watcher = undefined
  }
  started.on('error', forget)
  started.on('exit', forget)
  started.stdin.on('error', forget)
  started.unref()
  const { stdin } = started as unknown as { stdin: { unref?: () => void } }
  stdin.unref?.()
  watcher = started
  for (const group of living) started.stdin.write(`begun ${group}\n`)
}
