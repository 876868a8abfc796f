/** What a run has left behind, read from the target itself, the ledger and the receipts; and a person who looks there. */
import { loadTrustedKeys, publicKeysFile } from '../../../lib/keys.ts'
import { verifyReceipts } from '../../../lib/receipts.ts'
import { receiptsOf } from '../../../sdk/client/index.ts'
import type { Statement } from '../../../schemas/receipt.ts'
import type { Blow, Variant } from './cells.ts'
import type { Lane } from './lane.ts'
import { patiently } from '../patience.ts'
import { readEffects } from './tool-server.ts'

export interface Evidence {
  blow: Blow
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

export interface Written {
  runId: string
  account: string
  variant: Variant
}

const PATIENCE_MS = 180_000

export async function gather(lane: Lane, run: Written & { blow: Blow }): Promise<Evidence> {
  const { runId, account, variant, blow } = run
  const admin = lane.as('admin')
  const shown = await patiently('the run is shown', PATIENCE_MS, () => admin.getRun({ run_id: runId }))
  const { receipts, head } = await patiently('receipts are shown', PATIENCE_MS, () =>
    receiptsOf(admin, runId),
  )
  const envelopes = receipts.map(({ envelope }) => envelope)
  const keys = loadTrustedKeys(publicKeysFile(lane.stack.keysFolder))
  const headInResult = shown.receipts_head ?? undefined
  const { statements, problems } = verifyReceipts(envelopes, keys, head ?? { seq: 0, sha256: null }, {
    id: runId,
    result: headInResult,
  })
  return {
    blow,
    variant,
    state: shown.state,
    code: shown.failure?.code ?? null,
    effects: await effectsOn(lane, variant, account),
    writebacks: shown.writebacks.map(({ state }) => state),
    receipts: statements.map(receiptText),
    receiptsInResult: headInResult?.count ?? null,
    problems: problems.map(({ position, problem }) => `receipt ${position} ${problem}`),
  }
}

function receiptText({ predicateType, predicate }: Statement): string {
  if (predicateType.includes(':decision:')) return `decision ${String(predicate['verdict'])}`
  const word = predicateType.includes(':resolution:') ? 'resolved' : 'outcome'
  const doubt = predicate['mayHaveChanged'] === true ? ', may have changed' : ''
  return `${word} ${String(predicate['status'])}${doubt}`
}

/** Until it is in, as a person would click again. */
export async function resolveAsItIs(lane: Lane, { runId, account, variant }: Written): Promise<void> {
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
