/**
 * One run through one cell: it is brought to the position, the component is struck at a moment left to chance, mended,
 * and everything is let go. Around the blow somebody else starts a run: what was accepted must have happened.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApprovalView } from '../../../schemas/operations/views.ts'
import { ApiError } from '../../../sdk/client/index.ts'
import { arrivalViolations, arrive, type Arrival, type Sender } from './arrival.ts'
import { blowOf, type BlowInParts } from './blows.ts'
import { cellName, goesBack, variantFor, type Cell, type Variant } from './cells.ts'
import { gather, resolveAsItIs } from './evidence.ts'
import { violationsOf, wasUnknown } from './judge.ts'
import { AUTOMATION_OF, type Lane } from './lane.ts'
import { faultAt, type Fault } from './positions.ts'
import { chanceOf, type Chance } from '../random.ts'
import { patiently } from '../patience.ts'

export interface Incident {
  cell: Cell
  variant: Variant
  seed: string
  /** From the blow to the end of the run: the time that the component was away is part of it. */
  recoveryMs: number
  /** A receipt says that nobody knows what became of the write. */
  isUnknown: boolean
  violations: string[]
  /** What it went through, to be read when something is wrong. */
  log: string[]
}

const REACH_PATIENCE_MS = 180_000
const END_PATIENCE_MS = 300_000
/** What waits for something that is forgotten waits for ever. */
const BACK_PATIENCE_MS = 120_000

interface Scene {
  lane: Lane
  cell: Cell
  variant: Variant
  round: number
  chance: Chance
  note(line: string): void
}

interface Parked {
  runId: string
  account: string
  approval: ApprovalView
}

export async function runIncident(
  lane: Lane,
  cell: Cell,
  { round, seed }: { round: number; seed: string },
): Promise<Incident> {
  const variant = variantFor(cell, round)
  const ownSeed = `${seed}/${cellName(cell)}/${round}`
  const startedAtMs = Date.now()
  const log: string[] = []
  const note = (line: string): void =>
    void log.push(`${((Date.now() - startedAtMs) / 1000).toFixed(2)} ${line}`)
  const scene: Scene = { lane, cell, variant, round, chance: chanceOf(ownSeed), note }
  const start = { cell, variant, seed: ownSeed, recoveryMs: 0, isUnknown: false, log }
  const incident: Incident = { ...start, violations: [] }
  try {
    const { endedAtMs, struckAtMs, arrival, evidence, stuck } = await live(scene)
    incident.recoveryMs = endedAtMs - struckAtMs
    incident.isUnknown = wasUnknown(evidence)
    incident.violations = [...stuck, ...violationsOf(evidence)]
    if (arrival) incident.violations.push(...(await arrivalViolations(senderOf(scene), arrival)))
  } catch (error) {
    incident.violations.push(error instanceof Error ? error.message : String(error))
  } finally {
    letGo(lane)
  }
  incident.violations.push(...(await revive(lane)))
  return incident
}

async function live(scene: Scene) {
  const { lane, cell, variant, note } = scene
  const parked = await park(scene)
  const blow = blowOf(cell, { ...scene, stack: lane.stack })
  let struck: Awaited<ReturnType<typeof strikeAndMend>>
  let endedAtMs: number
  // What is left of a run that does not end is looked at, too.
  let stuck: string[] = []
  try {
    struck = await strikeAndMend(scene, parked, blow)
    await untilOver(scene, parked).catch((error: unknown) => (stuck = [String(error)]))
    endedAtMs = Date.now()
  } finally {
    letGo(lane)
    await blow.finish()
  }
  if (goesBack(cell)) await lane.reconcile()
  const evidence = await gather(lane, { ...parked, blow: cell.blow, variant })
  note(`ended: ${JSON.stringify(evidence)}`)
  return { ...struck, endedAtMs, evidence, stuck }
}

function letGo({ stack }: Lane): void {
  for (const proxy of [stack.ledger, stack.shop, stack.tools]) {
    proxy.reset()
    proxy.closeOrphans()
  }
}

/** A process that died of what we did to another one is a violation, and must not spoil the next incident. */
async function revive({ stack }: Lane): Promise<string[]> {
  const deaths = stack.deaths()
  for (const component of stack.missing()) await stack.restart(component)
  return deaths.map((death) => `a process has ended by itself: ${death}`)
}

async function park({ lane, variant, note }: Scene): Promise<Parked> {
  const account = `account-${randomUUID()}`
  await lane.stack.withShop((client) => client.query('insert into accounts (id) values ($1)', [account]))
  const input = variant === 'sql' ? { account, balance: 7 } : { account }
  const started = await patiently('a run starts', END_PATIENCE_MS, () =>
    lane.as('carl').startRun({ name: AUTOMATION_OF[variant], input }, { idempotencyKey: account }),
  )
  const { run_id: runId } = started
  const approval = await patiently('the run waits for approval', END_PATIENCE_MS, async () => {
    const { items } = await lane.as('admin').listApprovals({ run_id: runId })
    return items[0]
  })
  note(`parked ${runId} (${started.temporal_workflow_id})`)
  return { runId, account, approval }
}

/** Resolves when everything is there again that can be, nothing is held any more, and the decision is in. */
async function strikeAndMend(
  scene: Scene,
  parked: Parked,
  blow: BlowInParts,
): Promise<{ struckAtMs: number; arrival: Arrival | null }> {
  const { lane, cell, chance, note, variant } = scene
  const { component, position } = cell
  const plan = {
    holdsCommit: chance.happens(0.5),
    /** The bytes of a worker that is dead arrive all the same. */
    isLate: cell.blow === 'kill' && component === 'worker' && chance.happens(0.5),
    isDecidedFirst: position !== 'waiting' || chance.happens(0.5),
    afterMs: chance.below(position === 'resume' ? 40 : 250),
    heldMs: chance.below(3_000),
    arrivalMs: chance.below(600),
  }
  note(`plan ${JSON.stringify(plan)}`)
  await blow.prepare()
  const fault = faultAt(lane.stack, position, { variant, ...plan })
  fault.arm()
  let decision = position === 'waiting' ? undefined : decide(scene, parked)
  // It is awaited at the end; what goes wrong before must not leave it without anybody who listens.
  decision?.catch(() => undefined)
  await reached(scene, { fault, decision, parked })
  // What goes back in time forgets what it has accepted since, and says nothing else.
  const arrival = goesBack(cell) ? null : arrive(senderOf(scene), plan.arrivalMs)
  await sleep(plan.afterMs)
  if (plan.isLate) fault.proxy?.hideHangUps()
  const struckAtMs = Date.now()
  await blow.strike()
  note(`${cellName(cell)} is struck`)
  if (position === 'waiting' && plan.isDecidedFirst) decision = decide(scene, parked)
  await Promise.all([
    blow.mend().then(() => note(`${component} is back`)),
    sleep(plan.heldMs).then(() => release(fault, note)),
  ])
  await (decision ?? decide(scene, parked))
  return { struckAtMs, arrival: await arrival }
}

/** Carl starts runs, and may look at his own. */
function senderOf({ lane, note }: Scene): Sender {
  return { api: () => lane.as('carl'), note, patienceMs: END_PATIENCE_MS }
}

async function reached(
  scene: Scene,
  { fault, decision, parked }: { fault: Fault; decision: Promise<void> | undefined; parked: Parked },
): Promise<void> {
  const { cell, chance, note } = scene
  if (fault.proxy) {
    const patience = sleep(REACH_PATIENCE_MS, 'late', { ref: false })
    if ((await Promise.race([fault.proxy.patternSeen(), patience])) === 'late')
      throw new Error(`harness: ${cellName(cell)} was not reached`)
  } else if (cell.position === 'resume' && decision) {
    // Half of the time the blow falls into the decision itself, else right after its answer.
    await (chance.happens(0.5) ? sleep(chance.below(60)) : decision)
  } else if (cell.position === 'over') {
    await untilOver(scene, parked)
  }
  note('reached')
}

function release({ proxy }: Fault, note: (line: string) => void): void {
  if (!proxy) return
  proxy.reset()
  note('let go')
}

/** Until it is in, as a person would click again. */
async function decide({ lane, note }: Scene, { approval }: Parked): Promise<void> {
  const { approval_id, digest } = approval
  let attempts = 0
  const idempotencyKey = randomUUID()
  const state = await patiently('the decision is in', END_PATIENCE_MS, async () => {
    attempts++
    try {
      const decision = { approval_id, digest, verdict: 'approve' as const }
      return (await lane.as('lena').decideApproval(decision, { idempotencyKey })).state
    } catch (error) {
      if (error instanceof ApiError && error.status === 410 && attempts > 1) return error.code
      if (error instanceof ApiError && error.status > 0 && error.status < 500)
        return `refused: ${error.message}`
      throw error
    }
  })
  note(`decided: ${state} (attempt ${attempts})`)
}

/** People do their part: they look at the target where nobody knows, and decide again where that was forgotten. */
async function untilOver(scene: Scene, parked: Parked): Promise<void> {
  const { lane, cell, variant, note } = scene
  const { runId, account } = parked
  await patiently('the run has ended', goesBack(cell) ? BACK_PATIENCE_MS : END_PATIENCE_MS, async () => {
    const { state, writebacks, approvals } = await lane.as('admin').getRun({ run_id: runId })
    if (state === 'waiting_for_resolution') {
      note('nobody knows: resolved by a person')
      await resolveAsItIs(lane, { runId, account, variant })
      return undefined
    }
    if (state === 'waiting_for_approval' && goesBack(cell)) await decideAgain(scene, parked)
    if (!['pending', 'running', 'waiting_for_approval'].includes(state)) return true
    throw new Error(
      `it is ${state}: ${JSON.stringify([...writebacks, ...approvals].map((row) => row.state))}`,
    )
  })
}

async function decideAgain(scene: Scene, { runId }: Parked): Promise<void> {
  const { items } = await scene.lane.as('admin').listApprovals({ run_id: runId })
  for (const { approval_id, digest } of items) {
    const decision = { approval_id, digest, verdict: 'approve' as const }
    const { state } = await scene.lane.as('lena').decideApproval(decision)
    scene.note(`decided again: ${state}`)
  }
}
