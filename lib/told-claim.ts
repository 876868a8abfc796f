/**
 * The claim of a write in what an attempt has told Temporal, as a heartbeat carries it and the end of an attempt. Whether
 * it is one of ours is said by whoever opens it. Workflow code imports this file.
 */
export function claimIn(said: unknown): unknown {
  return typeof said === 'object' && said !== null && 'claim' in said ? said.claim : undefined
}
