/** Checks a file of receipts with a file of public keys. Nothing is asked of anybody. */
import { z } from 'zod'
import type { TrustedKey } from '../lib/dsse.ts'
import { trustedKeyOf } from '../lib/keys.ts'
import { verifyExport, type Verification } from '../lib/receipts.ts'
import { SHA256_HEX } from '../schemas/common.ts'
import { UsageError } from './errors.ts'
import { readJsonFile } from './files.ts'

export interface ReceiptsCheck extends Verification {
  valid: boolean
  count: number
  /** Signed by the API, or by the run’s own result. Without one, a tail that was cut off cannot be seen. */
  hasHead: boolean
  /** That head is also what the run's own result in Temporal says, which the database cannot change. */
  hasRunHead: boolean
}

const RunHeadSchema = z.object({ count: z.int().min(1), sha256: z.string().regex(SHA256_HEX) })

/** As `receipts export` writes it, as the API answers it, or a bare list of envelopes. A head that is not signed is nobody’s. */
const FileSchema = z.union([
  z.object({
    receipts: z.array(z.unknown()),
    signed_head: z.unknown().optional(),
    run: RunHeadSchema.nullish(),
    run_id: z.string().nullish(),
  }),
  z
    .array(z.unknown())
    .transform((receipts) => ({ receipts, signed_head: undefined, run: undefined, run_id: undefined })),
])

const PurposeSchema = z.enum(['decision', 'receipt'])

/** The deployment's own `public.json`, or what the API answers. */
const KeysSchema = z.union([
  z.array(z.object({ purpose: PurposeSchema, publicKey: z.string(), retiredAt: z.string().nullish() })),
  z
    .object({
      keys: z.array(
        z.object({ purpose: PurposeSchema, public_key: z.string(), retired_at: z.string().nullish() }),
      ),
    })
    .transform(({ keys }) =>
      keys.map(({ purpose, public_key, retired_at }) => ({
        purpose,
        publicKey: public_key,
        retiredAt: retired_at,
      })),
    ),
])

/** `knownRunId`: of which run they should be, if the caller knows; else the file may say it. */
export function checkReceipts(file: string, keysFile: string, knownRunId?: string): ReceiptsCheck {
  const content = FileSchema.safeParse(readJsonFile(file))
  if (!content.success) {
    throw new UsageError(`${file} is not a file of receipts.`, 'Make one with `countersign receipts export`.')
  }
  const keys = readKeys(keysFile)
  const { receipts, signed_head: signedHead, run, run_id: saidRunId } = content.data
  const envelopes = receipts.map(envelopeOf)
  const verification = verifyExport(envelopes, keys, signedHead, {
    id: knownRunId ?? saidRunId ?? undefined,
    result: run ?? undefined,
  })
  // Where nothing was checked, nothing is proven.
  const problems =
    envelopes.length === 0 && verification.problems.length === 0
      ? [{ position: 0, problem: 'the file holds no receipts: there is nothing to verify' }]
      : verification.problems
  return {
    statements: verification.statements,
    problems,
    valid: problems.length === 0,
    count: envelopes.length,
    hasHead: Boolean(signedHead ?? run),
    hasRunHead: Boolean(run),
  }
}

function envelopeOf(receipt: unknown): unknown {
  const isView = typeof receipt === 'object' && receipt !== null && 'envelope' in receipt
  return isView ? receipt.envelope : receipt
}

function readKeys(keysFile: string): TrustedKey[] {
  const entries = KeysSchema.safeParse(readJsonFile(keysFile))
  const hint = 'Make one with `countersign keys public > public.json`.'
  if (!entries.success) throw new UsageError(`${keysFile} is not a file of public keys.`, hint)
  return entries.data.map((entry) => {
    try {
      return trustedKeyOf(entry)
    } catch {
      throw new UsageError(`${keysFile} holds a key that cannot be read.`, hint)
    }
  })
}
