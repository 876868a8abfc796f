/** Where the workflow code is, and what of it is loaded once per V8 context instead of once per run. */
import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode, type BundleOptions } from '@temporalio/worker'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
/** Works from source and from dist. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

export const workflowsPath = here(`../workflows/index.${extension}`)

/**
 * Evaluating the expression library for each run would double the CPU of a run. What is preloaded is shared and frozen,
 * so only pure code and pure caches may be in it. The fix for `Date` comes first: the library looks at it when it loads.
 */
export const preloadModules = [
  here(`../lib/cel-date-fix.${extension}`),
  '@marcbachmann/cel-js',
  here(`../lib/cel.${extension}`),
]

/**
 * For production, replays and tests; with encryption it takes `failureConverterPath` of codec/data-converter.ts. A worker
 * that is given none bundles by itself at start (1 to 2 s).
 */
export async function bundleWorkflows(options: Partial<BundleOptions> = {}): Promise<{ code: string }> {
  return bundleWorkflowCode({ workflowsPath, preloadModules, ...options })
}
