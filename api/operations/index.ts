/** All handlers. A test compares them with the table of operations. */
import { approvalOperations } from './approvals.ts'
import { connectionOperations } from './connections.ts'
import { healthOperations } from './health.ts'
import { keyOperations } from './keys.ts'
import { manifestOperations } from './manifests.ts'
import { runOperations } from './runs.ts'
import { writebackOperations } from './writebacks.ts'

export const IMPLEMENTATIONS = [
  ...manifestOperations,
  ...runOperations,
  ...approvalOperations,
  ...writebackOperations,
  ...connectionOperations,
  ...keyOperations,
  ...healthOperations,
]
