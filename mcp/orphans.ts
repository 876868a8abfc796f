/**
 * Programs for stdio connections end with this process, also when it is killed and can do nothing about it: a shell beside
 * it reads a pipe that ends with us, and then ends what is left. Many servers do not mind that their input has ended.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'

/** They are groups, for a package manager starts the server as a process of its own. */
const SCRIPT = `
trap '' INT TERM HUP
groups=' '
while read -r what group; do
  case $what in
    begun) groups="$groups$group " ;;
    ended) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
sleep 2
for group in $groups; do kill -9 "-$group" 2>/dev/null; done`

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

/** False: there is no such group any more, or it is not ours to end. */
export function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
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
