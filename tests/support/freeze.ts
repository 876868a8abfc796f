/** Puts processes to sleep and wakes them, from outside: what a frozen machine or a suspended container is to others. */
import { execFileSync } from 'node:child_process'
import { signalProcess } from '../../scripts/stack/process-identity.ts'

/** The process, and all that it has started: PostgreSQL's back-ends are processes of their own. */
export function freeze(pid: number): void {
  // The parent first, so that it starts no more of them.
  signalProcess(pid, 'SIGSTOP')
  for (const child of childrenOf(pid)) freeze(child)
}

export function thaw(pid: number): void {
  for (const child of childrenOf(pid)) thaw(child)
  signalProcess(pid, 'SIGCONT')
}

function childrenOf(pid: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []))
}
