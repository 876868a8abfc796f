/**
 * What lives as long as a cancellation scope, which for most of a run is the run. Whatever waits for a scope's cancel stays
 * in memory until the scope ends, with all that it can reach; a run of many large calls would end its worker.
 */
import type { CancellationScope } from '@temporalio/workflow'

/** Calls `react` once if the scope is cancelled. Gives what forgets it. */
export function onCancel(scope: CancellationScope, react: () => Promise<void>): () => void {
  const held: { react?: () => Promise<void> } = { react }
  scope.cancelRequested.catch(() => held.react?.())
  return () => delete held.react
}

/**
 * For work with what is handed to an activity: the SDK keeps that with the scope. What it is lent is a copy, one level
 * deep, and is empty afterwards.
 */
export async function lend<Value extends object, Result>(
  value: Value,
  work: (copy: Value) => Promise<Result>,
): Promise<Result> {
  const copy = { ...value }
  try {
    return await work(copy)
  } finally {
    for (const name of Object.keys(copy)) delete copy[name as keyof Value]
  }
}
