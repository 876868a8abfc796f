/**
 * Follows a tutorial as a reader would: from a fresh copy of the files, block after block, with what was printed put in
 * where the text says so. Everything runs in one shell's environment, in process groups of their own, which are ended.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Block } from '../markdown.ts'

const STEP_TIMEOUT_MS = 240_000
const STOP_TIMEOUT_MS = 60_000
const POLL_MS = 1_000

export interface Reader {
  folder: string
  /** For a line of the text, what is typed instead: another port, for two tutorials at once. */
  typed: (line: string) => string
  log: (line: string) => void
}

interface Background {
  child: ChildProcess
  output: () => string
  /** What it has told already. */
  seen: number
}

/** Throws at the first block that does not do what the page says. `stop` in any case. */
export function createFollower(reader: Reader): {
  follow(block: Block): Promise<void>
  stop(): Promise<void>
} {
  const printed: string[] = []
  const backgrounds: Background[] = []
  let last: { output: string } | Background | undefined

  async function follow(block: Block): Promise<void> {
    const { language, info, text, place } = block
    reader.log(`${place} ${language} ${info}`)
    if (language === 'yaml' && info !== '')
      writeFileSync(join(reader.folder, info.replace(/^fragment /, '')), text)
    else if (language === 'bash') last = await run(block)
    else if (language === 'text') await compare(text, place)
  }

  async function run(block: Block): Promise<{ output: string } | Background> {
    const command = fillIn(block.text, printed.join('\n')).split('\n').map(reader.typed).join('\n')
    if (block.info === 'background') {
      const started = startInGroup(command, reader.folder)
      const background = { ...started, seen: 0 }
      backgrounds.push(background)
      return background
    }
    const until = /^until=(\w+)$/.exec(block.info)?.[1]
    const deadlineMs = Date.now() + STEP_TIMEOUT_MS
    for (;;) {
      const { code, output } = await runToEnd(command, reader.folder)
      const failsAsSaid = block.info === 'fails' ? code !== 0 : code === 0
      if (!failsAsSaid) throw new Error(`${block.place}: exit code ${code} of\n${command}\n${output}`)
      printed.push(output)
      if (until === undefined || output.includes(until)) return { output }
      if (Date.now() > deadlineMs) throw new Error(`${block.place}: no “${until}” in\n${output}`)
      await sleep(POLL_MS)
    }
  }

  async function compare(expected: string, place: string): Promise<void> {
    if (last === undefined) throw new Error(`${place}: there is no command before this output`)
    if (!('child' in last)) return requireLines(expected, last.output, place)
    const deadlineMs = Date.now() + STEP_TIMEOUT_MS
    const background = last
    for (;;) {
      try {
        requireLines(expected, background.output(), place)
        printed.push(background.output())
        return
      } catch (error) {
        if (background.child.exitCode !== null || Date.now() > deadlineMs) throw error
        await sleep(POLL_MS)
      }
    }
  }

  async function stop(): Promise<void> {
    for (const { child } of backgrounds) await endGroup(child)
  }
  return { follow, stop }
}

/** `<approval>`, `<run>`, `<key>`: the latest that was printed. */
function fillIn(command: string, printed: string): string {
  const patterns = { approval: /\bwb_[\w.-]+/g, run: /\brun_[0-9a-f]{32}\b/g, key: /\bcs_[\w-]{40,}/g }
  return command.replaceAll(/<(approval|run|key)>/g, (_all, name: keyof typeof patterns) => {
    const found = printed.match(patterns[name])?.at(-1)
    if (found === undefined) throw new Error(`no ${name} was printed before\n${command}`)
    return found
  })
}

/** Every line of the page, in its order; ids, times and addresses are others each time. */
export function requireLines(expected: string, output: string, place: string): void {
  const lines = output.split('\n').map(masked)
  let from = 0
  for (const line of expected.split('\n').map(masked)) {
    if (line === '') continue
    const found = lines.findIndex((candidate, index) => index >= from && candidate.includes(line))
    if (found < 0) throw new Error(`${place}: the page has\n  ${line}\nand what was printed is\n${output}`)
    from = found + 1
  }
}

function masked(line: string): string {
  return line
    .replaceAll(/\b(wb|run|dec|rcp|dlv|key)_[\w-]+(\.[\w.-]+)?/g, '$1_ID')
    .replaceAll(/\bcs_[\w-]+/g, 'cs_KEY')
    .replaceAll(/\b[0-9a-f]{16,}\b/g, 'HEX')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b[\d.]+ ms\b/g, 'TIME')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'ADDRESS')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function startInGroup(command: string, folder: string): { child: ChildProcess; output: () => string } {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: folder,
    env: readersEnvironment(),
    // A group of its own, so that it can be ended with all that it has started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return { child, output: () => output }
}

/** What a shell has, and nothing that configures us. */
function readersEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(COUNTERSIGN_|VITEST|NODE_|DATABASE_URL|TEMPORAL_ADDRESS)/.test(name)
      ? []
      : [[name, value]],
  )
  return { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true', NO_COLOR: '1' }
}

async function runToEnd(command: string, folder: string): Promise<{ code: number | null; output: string }> {
  const { child, output } = startInGroup(command, folder)
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), STEP_TIMEOUT_MS)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  return { code, output: output() }
}

/** Throws if Ctrl-C did not end it. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  signalGroup(child, 'SIGINT')
  let hung = false
  const timer = setTimeout(() => {
    hung = true
    signalGroup(child, 'SIGKILL')
  }, STOP_TIMEOUT_MS)
  await closed
  clearTimeout(timer)
  if (hung) throw new Error('what runs in the background did not end with Ctrl-C')
}

/** Ctrl-C reaches the whole group, as in a terminal. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) process.kill(-child.pid, signal)
}
