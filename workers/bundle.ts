/** Where the workflow code is, and what of it is loaded once per V8 context instead of once per run. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode, type BundleOptions } from '@temporalio/worker'
import { plainFailuresPath } from '../codec/data-converter.ts'
import { codeRoot, isSource, moduleFile } from '../lib/modules.ts'

export const workflowsPath = moduleFile('workflows/index')

/**
 * Evaluating the expression library for each run would double the CPU of a run. What is preloaded is shared and frozen,
 * so only pure code and pure caches may be in it. The fix for `Date` comes first: the library looks at it when it loads.
 */
export const preloadModules = [moduleFile('lib/cel-date-fix'), '@marcbachmann/cel-js', moduleFile('lib/cel')]

/** What `bundleWorkflows` made when the package was built. In a clone there is none: it would be an old one. */
export function builtBundle(): { codePath: string } | undefined {
  const codePath = fileURLToPath(new URL('workflow-bundle.js', codeRoot))
  return isSource || !existsSync(codePath) ? undefined : { codePath }
}

/**
 * For the build, replays and tests; with encryption it takes `encryptedFailuresPath` of codec/data-converter.ts. A worker
 * that is given none bundles by itself at start (1 to 2 s).
 */
export async function bundleWorkflows(options: Partial<BundleOptions> = {}): Promise<{ code: string }> {
  return bundleWorkflowCode({
    workflowsPath,
    preloadModules,
    failureConverterPath: plainFailuresPath,
    ...options,
  })
}
