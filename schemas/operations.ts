/** The one table of operations: routes, OpenAPI, the client and the CLI are renderings of it. */
import * as approvals from './operations/approvals.ts'
import * as connections from './operations/connections.ts'
import * as health from './operations/health.ts'
import * as keys from './operations/keys.ts'
import * as manifests from './operations/manifests.ts'
import * as runs from './operations/runs.ts'
import * as writebacks from './operations/writebacks.ts'

export const OPERATIONS = {
  applyManifests: manifests.applyManifests,
  listManifests: manifests.listManifests,
  getManifest: manifests.getManifest,
  startRun: runs.startRun,
  listRuns: runs.listRuns,
  getRun: runs.getRun,
  cancelRun: runs.cancelRun,
  listApprovals: approvals.listApprovals,
  getApproval: approvals.getApproval,
  decideApproval: approvals.decideApproval,
  answerAsk: approvals.answerAsk,
  createTicket: approvals.createTicket,
  listWritebacks: writebacks.listWritebacks,
  getWriteback: writebacks.getWriteback,
  resolveWriteback: writebacks.resolveWriteback,
  createResolutionTicket: writebacks.createResolutionTicket,
  listReceipts: writebacks.listReceipts,
  getKeys: writebacks.getKeys,
  getConnectionState: connections.getConnectionState,
  freezeConnection: connections.freezeConnection,
  thawConnection: connections.thawConnection,
  createKey: keys.createKey,
  listKeys: keys.listKeys,
  revokeKey: keys.revokeKey,
  getHealth: health.getHealth,
} as const

export type Operations = typeof OPERATIONS
export type OperationName = keyof Operations
