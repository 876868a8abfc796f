/** In a clone workers are started again and again: the same sources are bundled once. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { keptPlace } from '../lib/kept-sources.ts'
import { codeRoot } from '../lib/modules.ts'
import { bundleWorkflows } from './bundle.ts'

/** All that a bundle can hold of ours, and what pins the rest. */
const SOURCES = ['workflows', 'lib', 'schemas', 'codec', 'workers/bundle.ts', 'package-lock.json']

/** What was bundled of the same sources before, or else bundled now. With encryption: see `bundleWorkflows`. */
export async function bundleOfSources(failureConverterPath = ''): Promise<{ code: string }> {
  const file = `${keptPlace(fileURLToPath(codeRoot), SOURCES, `bundle ${failureConverterPath}`)}.js`
  if (existsSync(file)) return { code: readFileSync(file, 'utf8') }
  const { code } = await bundleWorkflows(failureConverterPath ? { failureConverterPath } : {})
  // Two processes may bundle at once: each reads a whole file, or none.
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, code)
  renameSync(unfinished, file)
  return { code }
}
