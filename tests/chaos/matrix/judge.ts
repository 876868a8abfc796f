/** What must be so of a run that has ended, whatever died on its way. Reads the target itself, and the receipts. */
import { loadTrustedKeys, publicKeysFile } from '../../../lib/keys.ts'
import { verifyReceipts } from '../../../lib/receipts.ts'
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
  /** Verified, such as `decision approve` and `outcome applied`, in their order. */
  receipts: string[]
  /** What is wrong with the chain of receipts. */
  problems: string[]
}

const PATIENCE_MS = 60_000

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
  const { statements, problems } = verifyReceipts(envelopes, keys, head ?? { seq: 0, sha256: null })
  return {
    variant,
    state: run.state,
    code: run.failure?.code ?? null,
    effects: await effectsOn(lane, variant, account),
    writebacks: run.writebacks.map(({ state }) => state),
    receipts: statements.map(({ predicateType, predicate }) =>
      predicateType.includes('decision')
        ? `decision ${String(predicate['verdict'])}`
        : `outcome ${String(predicate['status'])}`,
    ),
    problems: problems.map(({ position, problem }) => `receipt ${position} ${problem}`),
  }
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
  const isUnknown = status === 'unknown'
  claim(writebacks.length === 1, 'one row in the ledger')
  claim(
    JSON.stringify(receipts) === JSON.stringify(['decision approve', `outcome ${status}`]),
    'one receipt of the decision, then one of the outcome that the ledger has',
  )
  claim(effects <= 1, 'at most one effect')
  claim(
    status === 'applied' || status === 'already_applied' || (isUnknown && variant === 'never'),
    'applied, or unknown where nobody can know',
  )
  claim(isUnknown || effects === 1, 'the outcome says what is so at the target')
  claim(
    isUnknown ? state === 'failed' && code === 'OUTCOME_UNKNOWN' : state === 'completed',
    'the run ends as its write',
  )
  return violations
}
