/**
 * `npm run test:chaos`: strikes every component at every position of a write, many times, with moments left to chance,
 * and says whether what is left is so. Ends with 1 if anything was violated. `-- --help` says what can be asked for.
 */
import { cellName, type Cell } from './cells.ts'
import { runIncident, type Incident } from './incident.ts'
import { startLane } from './lane.ts'
import { optionsOf } from './options.ts'
import { tableOf } from './table.ts'

const options = optionsOf(process.argv.slice(2))
const cells = options.only
/** Round by round, so that a run that is ended early has been everywhere. */
const queue: { cell: Cell; round: number }[] = Array.from({ length: options.times }, (_, round) =>
  cells.map((cell) => ({ cell, round })),
).flat()
const total = queue.length
const incidents: Incident[] = []
const deadlineMs = Date.now() + options.minutes * 60_000

function report(incident: Incident): void {
  incidents.push(incident)
  const { cell, variant, recoveryMs, violations, isUnknown, log, seed } = incident
  const held = isUnknown ? 'held, unknown,' : 'held'
  const verdict = violations.length === 0 ? held : 'VIOLATED'
  const seconds = (recoveryMs / 1000).toFixed(1)
  console.log(`${incidents.length}/${total} ${cellName(cell)} ${variant} ${verdict} ${seconds} s`)
  if (violations.length > 0 || options.verbose)
    console.log([`seed ${seed}`, ...violations, ...log].join('\n    '))
  if (incidents.length % cells.length === 0 && incidents.length < total)
    console.log(`\n${tableOf(incidents)}\n`)
}

async function runLane(): Promise<void> {
  const lane = await startLane()
  try {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (Date.now() > deadlineMs) return
      report(await runIncident(lane, next.cell, { round: next.round, seed: options.seed }))
    }
  } finally {
    await lane.close()
  }
}

async function main(): Promise<void> {
  const startedAtMs = Date.now()
  // Every server that is there to be killed wants to be told when this process ends.
  process.setMaxListeners(100)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  console.log(
    `seed ${options.seed}: ${cells.length} cells, ${options.times} blows each, ${options.lanes} lanes`,
  )
  const lanes = await Promise.allSettled(Array.from({ length: options.lanes }, runLane))
  const broken = lanes.flatMap((lane) => (lane.status === 'rejected' ? [String(lane.reason)] : []))
  console.log(`\n${tableOf(incidents)}`)
  const violated = incidents.filter(({ violations }) => violations.length > 0).length
  const unknown = incidents.filter(({ isUnknown }) => isUnknown).length
  const minutes = ((Date.now() - startedAtMs) / 60_000).toFixed(1)
  console.log(
    `${incidents.length} of ${total} blows in ${minutes} minutes, ${violated} violated, ${unknown} unknown, seed ${options.seed}`,
  )
  for (const reason of broken) console.error(`a lane has broken down: ${reason}`)
  process.exitCode = violated > 0 || broken.length > 0 || incidents.length < total ? 1 : 0
}

await main()
