/** The one table of operations: routes, OpenAPI, the client and the CLI are renderings of it. */
import * as approvals from './operations/approvals.ts'
import * as automations from './operations/automations.ts'
import * as callers from './operations/callers.ts'
import * as connections from './operations/connections.ts'
import * as deliveries from './operations/deliveries.ts'
import * as dryRuns from './operations/dry-runs.ts'
import * as health from './operations/health.ts'
import * as keys from './operations/keys.ts'
import * as manifests from './operations/manifests.ts'
import * as principals from './operations/principals.ts'
import * as receipts from './operations/receipts.ts'
import * as runs from './operations/runs.ts'
import * as writebacks from './operations/writebacks.ts'

export const OPERATIONS = {
  applyManifests: manifests.applyManifests,
  listManifests: manifests.listManifests,
  getManifest: manifests.getManifest,
  listRevisions: manifests.listRevisions,
  removeManifest: manifests.removeManifest,
  listAutomations: automations.listAutomations,
  getAutomation: automations.getAutomation,
  pauseAutomation: automations.pauseAutomation,
  resumeAutomation: automations.resumeAutomation,
  dryRun: dryRuns.dryRun,
  startRun: runs.startRun,
  listRuns: runs.listRuns,
  getRun: runs.getRun,
  watchRun: runs.watchRun,
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
  listReceipts: receipts.listReceipts,
  searchReceipts: receipts.searchReceipts,
  getKeys: receipts.getKeys,
  listDeliveries: deliveries.listDeliveries,
  getDelivery: deliveries.getDelivery,
  listConnections: connections.listConnections,
  getConnectionState: connections.getConnectionState,
  listConnectionTools: connections.listConnectionTools,
  checkConnection: connections.checkConnection,
  freezeConnection: connections.freezeConnection,
  thawConnection: connections.thawConnection,
  createKey: keys.createKey,
  listKeys: keys.listKeys,
  getKey: keys.getKey,
  revokeKey: keys.revokeKey,
  listPrincipals: principals.listPrincipals,
  getPrincipal: principals.getPrincipal,
  setPrincipalRoles: principals.setPrincipalRoles,
  disablePrincipal: principals.disablePrincipal,
  enablePrincipal: principals.enablePrincipal,
  whoAmI: callers.whoAmI,
  getHealth: health.getHealth,
} as const

export type Operations = typeof OPERATIONS
export type OperationName = keyof Operations
