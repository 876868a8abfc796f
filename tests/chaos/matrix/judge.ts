/**
 * What must be so of a run that has ended, whatever died on its way. Reads the target itself, and the receipts. A write
 * of which nobody knows is resolved first, as a person does who looks at the target.
 */
import { loadTrustedKeys, publicKeysFile } from '../../../lib/keys.ts'
import { verifyReceipts } from '../../../lib/receipts.ts'
import type { Statement } from '../../../schemas/receipt.ts'
import type { Variant } from './cells.ts'
import type { Lane } from './lane.ts'
import { patiently } from './patience.ts'
import { readEffects } from './tool-server.ts'

export interface Judged {
  violations: string[]
  /** All of it in a line. */
  text: string
  endedAtMs: number
}

export interface Evidence {
  variant: Variant
  state: string
  code: string | null
  /** How often the target was changed for this run. */
  effects: number
  /** States of the rows in the ledger. */
  writebacks: string[]
  /** Verified, such as `decision approve`, `outcome unknown` and `resolved applied`, in their order. */
  receipts: string[]
  /** How many there are by the run's own result; null if it says nothing. */
  receiptsInResult: number | null
  /** What is wrong with the chain of receipts. */
  problems: string[]
}

const PATIENCE_MS = 180_000

export async function judgeRun(
  lane: Lane,
  run: { runId: string; account: string; variant: Variant },
): Promise<Omit<Judged, 'endedAtMs'>> {
  const evidence = await gather(lane, run)
  return { violations: violationsOf(evidence), text: JSON.stringify(evidence) }
}

async function gather(
  lane: Lane,
  { runId, account, variant }: { runId: string; account: string; variant: Variant },
): Promise<Evidence> {
  const admin = lane.as('admin')
  const run = await patiently('the run is shown', PATIENCE_MS, () => admin.getRun({ run_id: runId }))
  const { receipts, head } = await patiently('receipts are shown', PATIENCE_MS, () =>
    admin.listReceipts({ run_id: runId }),
  )
  const envelopes = receipts.map(({ envelope }) => envelope)
  const keys = loadTrustedKeys(publicKeysFile(lane.stack.keysFolder))
  const headInResult = run.receipts_head ?? undefined
  const { statements, problems } = verifyReceipts(envelopes, keys, head ?? { seq: 0, sha256: null }, {
    id: runId,
    result: headInResult,
  })
  return {
    variant,
    state: run.state,
    code: run.failure?.code ?? null,
    effects: await effectsOn(lane, variant, account),
    writebacks: run.writebacks.map(({ state }) => state),
    receipts: statements.map(receiptText),
    receiptsInResult: headInResult?.count ?? null,
    problems: problems.map(({ position, problem }) => `receipt ${position} ${problem}`),
  }
}

function receiptText({ predicateType, predicate }: Statement): string {
  if (predicateType.includes(':decision:')) return `decision ${String(predicate['verdict'])}`
  const word = predicateType.includes(':resolution:') ? 'resolved' : 'outcome'
  return `${word} ${String(predicate['status'])}`
}

/** Until it is in, as a person would click again. */
export async function resolveAsItIs(
  lane: Lane,
  { runId, account, variant }: { runId: string; account: string; variant: Variant },
): Promise<void> {
  const resolution = (await effectsOn(lane, variant, account)) > 0 ? 'applied' : 'not_applied'
  await patiently('the write is resolved', PATIENCE_MS, async () => {
    const run = await lane.as('admin').getRun({ run_id: runId })
    if (run.state !== 'waiting_for_resolution') return true
    const writeback_id = run.writebacks[0]?.writeback_id ?? ''
    await lane.as('lena').resolveWriteback({ writeback_id, resolution, comment: 'seen at the target' })
    return undefined
  })
}

async function effectsOn(lane: Lane, variant: Variant, account: string): Promise<number> {
  if (variant !== 'sql')
    return readEffects(lane.stack.effectsFile).filter(({ about }) => about === account).length
  const { rows } = await lane.stack.withShop((client) =>
    client.query<{ count: number }>('select count(*)::integer as count from changes where account = $1', [
      account,
    ]),
  )
  return rows[0]?.count ?? Number.NaN
}

/** Pure. */
export function violationsOf(evidence: Evidence): string[] {
  const { variant, state, code, effects, writebacks, receipts, problems } = evidence
  const violations = [...problems]
  const claim = (holds: boolean, text: string): void => {
    if (!holds) violations.push(`${text}: ${JSON.stringify(evidence)}`)
  }
  const [status] = writebacks
  // The one outcome that a person may change, and only for a tool that nobody may call twice.
  const wasUnknown = variant === 'never' && receipts[1] === 'outcome unknown'
  const outcomes = wasUnknown ? ['outcome unknown', `resolved ${status}`] : [`outcome ${status}`]
  const isApplied = status === 'applied' || (status === 'already_applied' && !wasUnknown)
  const isNotApplied = status === 'failed' && wasUnknown
  claim(writebacks.length === 1, 'one row in the ledger')
  claim(
    JSON.stringify(receipts) === JSON.stringify(['decision approve', ...outcomes]),
    'one receipt of the decision, then one of the outcome that the ledger has',
  )
  claim(evidence.receiptsInResult === receipts.length, 'the result of the run knows the last receipt')
  claim(isApplied || isNotApplied, 'applied, or unknown where nobody can know')
  claim(effects === (isApplied ? 1 : 0), 'the outcome says what is so at the target')
  claim(
    isApplied ? state === 'completed' : state === 'failed' && code === 'NOT_APPLIED',
    'the run ends as its write',
  )
  return violations
}
