/** Every command, in the order in which `--help` lists them. */
import type { Command } from 'commander'
import { registerAnswer } from './answer.ts'
import { registerApply } from './apply.ts'
import { registerApprovals } from './approvals.ts'
import { registerAutomations } from './automations.ts'
import { registerCompletion } from './completion.ts'
import { registerConnections } from './connections.ts'
import { registerContexts } from './contexts.ts'
import { registerDecisions } from './decide.ts'
import { registerDeliveries } from './deliveries.ts'
import { registerDemo } from './demo.ts'
import { registerDev } from './dev.ts'
import { registerDoctor } from './doctor.ts'
import { registerImport } from './import.ts'
import { registerKeys } from './keys.ts'
import { registerLogin } from './login.ts'
import { registerManifests } from './manifests.ts'
import { registerPrincipals } from './principals.ts'
import { registerReceipts } from './receipts.ts'
import { registerRun } from './run.ts'
import { registerRuns } from './runs.ts'
import { registerSchema } from './schema.ts'
import { registerTest } from './test.ts'
import { registerValidate } from './validate.ts'
import { registerWritebacks } from './writebacks.ts'

export const COMMANDS: readonly ((program: Command) => void)[] = [
  registerDev,
  registerDemo,
  registerValidate,
  registerTest,
  registerImport,
  registerApply,
  registerRun,
  registerRuns,
  registerApprovals,
  registerDecisions,
  registerAnswer,
  registerAutomations,
  registerConnections,
  registerManifests,
  registerDeliveries,
  registerWritebacks,
  registerReceipts,
  registerKeys,
  registerPrincipals,
  registerLogin,
  registerContexts,
  registerSchema,
  registerDoctor,
  registerCompletion,
]
