/**
 * The package as people install it, made of these sources: what tests start as processes of their own. A program starts
 * in less than half of the time that it takes from its sources, through tsx.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keptPlace } from '../../lib/kept-sources.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
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
  const made = keptPlace(ROOT, [...FILES, ...codeFolders()], 'package')
  if (existsSync(made)) return made
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

function codeFolders(): string[] {
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NOT_PACKED.has(entry.name))
    .map((entry) => entry.name)
    .sort()
}
