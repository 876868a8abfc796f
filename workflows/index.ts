/** Everything that a worker has to register. A foreign worker re-exports this file beside its own workflows. */
export { approvalWorkflow } from './approval.ts'
export { automationWorkflow } from './automation.ts'
export { dryRunWorkflow } from './dry-run.ts'
export { inspectConnectionWorkflow } from './inspect-connection.ts'
export { resolutionWorkflow } from './resolution.ts'
export { reconcileWorkflow, retentionWorkflow } from './upkeep.ts'
export { writebackWorkflow } from './writeback.ts'
