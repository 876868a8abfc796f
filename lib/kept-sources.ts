/** What is made of the sources of a clone, again and again, is kept beside the packages: once for each state of them. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'

const KEPT_MS = 24 * 60 * 60 * 1_000

/**
 * The place of what is made of these sources, files and folders below `root`; it may not be there yet. `kind`: what it is
 * made for. Each change of a source leaves one of some megabytes, so that old ones are removed.
 */
export function keptPlace(root: string, sources: readonly string[], kind: string): string {
  const folder = path.join(root, 'node_modules', '.cache', 'countersign')
  mkdirSync(folder, { recursive: true })
  removeOld(folder)
  return path.join(folder, digestOf(root, sources, kind))
}

function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const kept = path.join(folder, name)
    const ageMs = Date.now() - (statSync(kept, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (ageMs > KEPT_MS) rmSync(kept, { recursive: true, force: true })
  }
}

function digestOf(root: string, sources: readonly string[], kind: string): string {
  const hash = createHash('sha256').update(`${root}\0${kind}\0`)
  for (const source of sources) {
    const place = path.join(root, source)
    const names = source.includes('.')
      ? ['']
      : readdirSync(place, { recursive: true, encoding: 'utf8' }).sort()
    for (const name of names.filter((each) => path.extname(path.join(place, each)) !== ''))
      hash.update(`${path.join(source, name)}\0`).update(readFileSync(path.join(place, name)))
  }
  return hash.digest('hex').slice(0, 16)
}
