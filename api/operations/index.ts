/** All handlers. A test compares them with the table of operations. */
import { approvalOperations } from './approvals.ts'
import { automationOperations } from './automations.ts'
import { callerOperations } from './callers.ts'
import { connectionOperations } from './connections.ts'
import { deliveryOperations } from './deliveries.ts'
import { dryRunOperations } from './dry-runs.ts'
import { healthOperations } from './health.ts'
import { keyOperations } from './keys.ts'
import { manifestOperations } from './manifests.ts'
import { principalOperations } from './principals.ts'
import { receiptOperations } from './receipts.ts'
import { runOperations } from './runs.ts'
import { writebackOperations } from './writebacks.ts'

export const IMPLEMENTATIONS = [
  ...manifestOperations,
  ...automationOperations,
  ...dryRunOperations,
  ...runOperations,
  ...approvalOperations,
  ...writebackOperations,
  ...receiptOperations,
  ...deliveryOperations,
  ...connectionOperations,
  ...keyOperations,
  ...principalOperations,
  ...callerOperations,
  ...healthOperations,
]
