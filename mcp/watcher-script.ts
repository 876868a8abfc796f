/**
 * What runs beside the worker, in a process of its own that needs no file: it hears which groups have begun and ended, and
 * which writes go into their pipes, and answers whoever asks whether it has heard that. One process, so that whoever kills
 * it kills all of it and the worker notices.
 *
 * By its own clocks: the worker ends a group at the deadline, and this half a second later, so that it has happened before
 * the ledger lets others conclude (`DEADLINE_MARGIN_MS`, 1.5 s), however short the time of the write was.
 */
export const WATCHER_TITLE = 'countersign-watcher'

export const WATCHER_SCRIPT = `
process.title = '${WATCHER_TITLE}'
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
const GRACE_MS = 500
const groups = new Set()
const writes = new Map()
const end = (group) => {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {}
}
const hear = {
  begun: (group) => groups.add(group),
  ended: (group) => {
    groups.delete(group)
    for (const [key, write] of writes) if (write.group === group) writes.delete(key)
  },
  sent: (group, write, deadlineAtMs, remainingMs) =>
    writes.set(group + ' ' + write, { group, deadlineAtMs: +deadlineAtMs, dueMs: performance.now() + +remainingMs }),
  over: (group, write) => writes.delete(group + ' ' + write),
  ask: () => process.stdout.write('.'),
}
const look = () => {
  for (const [key, { group, deadlineAtMs, dueMs }] of writes) {
    if (Date.now() < deadlineAtMs + GRACE_MS && performance.now() < dueMs + GRACE_MS) continue
    end(group)
    writes.delete(key)
  }
}
const endAll = () => {
  for (const group of groups) end(group)
  process.exit()
}
let rest = ''
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (rest + text).split('\\n')
  rest = lines.pop()
  for (const line of lines) {
    const [what, group, ...more] = line.split(' ')
    hear[what](Number(group), ...more)
  }
})
const gone = () => setTimeout(endAll, 1000)
process.stdout.on('error', () => {})
process.stdin.once('end', gone).once('error', gone)
setInterval(look, 250)
`
