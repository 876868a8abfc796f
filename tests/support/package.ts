/**
 * The package as people install it, made of these sources: what tests start as processes of their own. A program starts
 * in less than half of the time that it takes from its sources, through tsx.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CACHE = join(ROOT, 'node_modules', '.cache', 'countersign-packages')
const KEPT_MS = 24 * 60 * 60 * 1_000
const NOT_PACKED = new Set(['node_modules', 'dist', 'coverage', 'docs', 'tests'])
/** Beside the folders of the code. */
const FILES = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'config.ts']

const PACKAGE = packageOfSources()

/** The CLI, as npm links it. */
export const CLI = join(PACKAGE, 'cli', 'bin.mjs')

/** `programFile('workers/main')`: what an operator starts with `node`. */
export function programFile(
  name: 'api/main' | 'api/bootstrap' | 'workers/main' | 'docker/worker-health',
): string {
  return join(PACKAGE, 'dist', `${name}.js`)
}

/** What was made of the same sources before, or else made now. */
function packageOfSources(): string {
  const made = join(CACHE, digestOfSources())
  if (existsSync(made)) return made
  removeOld()
  // Two processes may build at once: the first one's is kept, and each has a whole one.
  const unfinished = `${made}.${process.pid}`
  for (const file of ['package.json', 'cli/bin.mjs']) {
    mkdirSync(dirname(join(unfinished, file)), { recursive: true })
    copyFileSync(join(ROOT, file), join(unfinished, file))
  }
  const build = ['--import', 'tsx', 'scripts/build.ts', '--no-types', '--into', join(unfinished, 'dist')]
  execFileSync(process.execPath, build, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    renameSync(unfinished, made)
  } catch (error) {
    rmSync(unfinished, { recursive: true })
    if (!existsSync(made)) throw error
  }
  return made
}

/** Each change of a source leaves one of some megabytes. */
function removeOld(): void {
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) {
    const folder = join(CACHE, name)
    const ageMs = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (ageMs > KEPT_MS) rmSync(folder, { recursive: true, force: true })
  }
}

function digestOfSources(): string {
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NOT_PACKED.has(entry.name))
    .map((entry) => entry.name)
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  const hash = createHash('sha256').update(ROOT)
  for (const file of [...FILES, ...files.sort()]) {
    if (extname(file) === '') continue
    hash.update(`${file}\0`).update(readFileSync(join(ROOT, file)))
  }
  return hash.digest('hex').slice(0, 16)
}
