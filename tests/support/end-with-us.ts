/** No process that a test starts outlives the test's own, however that one ends. */
import type { ChildProcess } from 'node:child_process'

const living = new Set<ChildProcess>()

// One listener for all: Node warns of more than ten.
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

export function endWithUs(child: ChildProcess): void {
  living.add(child)
  child.once('exit', () => living.delete(child))
}
