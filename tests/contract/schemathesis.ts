/** schemathesis as it comes from PyPI, in an environment of its own that is made once and kept in the user's cache. */
import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'

const VERSION = '4.32.5'

/** The program `st`. Throws with what to install where Python or pip is missing. */
export async function schemathesis(): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache')
  const folder = path.join(cache, 'countersign', `schemathesis-${VERSION}`)
  const program = path.join(folder, 'bin', 'st')
  if (existsSync(program)) return program
  try {
    await run('python3', ['-m', 'venv', folder])
    const pip = path.join(folder, 'bin', 'pip')
    await run(pip, ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`])
    return program
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(
      `schemathesis ${VERSION} could not be installed: the contract test needs Python 3.10 or later with venv, and pip with a way to PyPI`,
      { cause: error },
    )
  }
}

/** What it prints is shown as it comes. Gives its exit code. */
export function runShown(program: string, args: readonly string[], cwd: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd })
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const code = await runShown(program, args, '/')
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`)
}
