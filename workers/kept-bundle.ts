/** In a clone workers are started again and again: the same sources are bundled once, and kept beside the packages. */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeRoot } from '../lib/modules.ts'
import { bundleWorkflows } from './bundle.ts'

/** All that a bundle can hold of ours, and what pins the rest. */
const SOURCES = ['workflows', 'lib', 'schemas', 'codec', 'workers/bundle.ts', 'package-lock.json']
const KEPT_MS = 24 * 60 * 60 * 1_000

/** What was bundled of the same sources before, or else bundled now. With encryption: see `bundleWorkflows`. */
export async function bundleOfSources(failureConverterPath?: string): Promise<{ code: string }> {
  const root = fileURLToPath(codeRoot)
  const folder = path.join(root, 'node_modules', '.cache', 'countersign')
  const file = path.join(folder, `workflows-${digestOfSources(root, failureConverterPath)}.js`)
  if (existsSync(file)) return { code: readFileSync(file, 'utf8') }
  const { code } = await bundleWorkflows(failureConverterPath ? { failureConverterPath } : {})
  mkdirSync(folder, { recursive: true })
  removeOld(folder)
  // Two processes may bundle at once: each reads a whole file, or none.
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, code)
  renameSync(unfinished, file)
  return { code }
}

/** Each change of a source leaves one of some megabytes. */
function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name)
    const ageMs = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (ageMs > KEPT_MS) rmSync(file, { force: true })
  }
}

function digestOfSources(root: string, failureConverterPath = ''): string {
  const hash = createHash('sha256').update(`${root}\0${failureConverterPath}\0`)
  for (const source of SOURCES) {
    const place = path.join(root, source)
    const names = source.includes('.')
      ? ['']
      : readdirSync(place, { recursive: true, encoding: 'utf8' }).sort()
    for (const name of names.filter((each) => path.extname(path.join(place, each)) !== ''))
      hash.update(`${name}\0`).update(readFileSync(path.join(place, name)))
  }
  return hash.digest('hex').slice(0, 16)
}
