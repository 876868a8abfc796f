/** The CLI on a terminal: `script` of util-linux gives it a pseudo-terminal of a known size. */
import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import { vi } from 'vitest'
import { CLI } from './package.ts'

const PATIENCE_MS = 30_000

export interface Terminal {
  /** Everything written so far, escape sequences and all. */
  raw(): string
  /** The same without them. */
  text(): string
  /** Waits until this was written after the last thing that was waited for. */
  until(pattern: RegExp): Promise<void>
  type(text: string): void
  /** The exit code. */
  ended(): Promise<number | null>
  close(): void
}

export interface TerminalOptions {
  cwd: string
  environment: Record<string, string>
  columns?: number
  rows?: number
}

export function openTerminal(args: readonly string[], options: TerminalOptions): Terminal {
  const { cwd, environment, columns = 80, rows = 24 } = options
  const { PATH = '', HOME = '' } = process.env
  const command = [process.execPath, CLI, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(' ')
  const child = spawn(
    'script',
    ['-qefc', `stty cols ${columns} rows ${rows}; exec ${command}`, '/dev/null'],
    { cwd, env: { PATH, HOME, TERM: 'xterm-256color', ...environment }, stdio: 'pipe' },
  )
  let output = ''
  let seen = 0
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const end = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    raw: () => output,
    text: () => stripVTControlCharacters(output),
    async until(pattern) {
      await vi.waitFor(
        () => {
          const found = pattern.exec(output.slice(seen))
          if (!found) throw new Error(`${String(pattern)} was not written; but:\n${output.slice(seen)}`)
          seen += found.index + found[0].length
        },
        { timeout: PATIENCE_MS, interval: 50 },
      )
    },
    type: (text) => void child.stdin.write(text),
    ended: () => end,
    close: () => void child.kill('SIGKILL'),
  }
}
