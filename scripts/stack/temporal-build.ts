/**
 * Builds the pinned Temporal CLI with Go. `go.sum` pins every byte and is never rewritten; `target` appears complete or
 * not at all. It takes minutes the first time, so it says what it is doing at least every five seconds.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Log } from './waiting.ts'
import { run } from './waiting.ts'

const PACKAGE = 'github.com/temporalio/cli/cmd/temporal'
const BUILD_TIMEOUT_MS = 35 * 60_000
const TELL_EVERY_MS = 5_000
const FAILURE_TAIL_LENGTH = 1_000

export interface BuildOptions {
  go: string | undefined
  moduleFolder: string
  target: string
  env: Record<string, string | undefined>
  log: Log
}

export async function buildTemporal(options: BuildOptions): Promise<void> {
  const { go, log, target } = options
  if (go === undefined) throw new Error('there is no `go` on PATH')
  log('building the Temporal CLI with Go: about four minutes the first time, never again on this machine')
  mkdirSync(path.dirname(target), { recursive: true })
  const unfinished = `${target}.build-${process.pid}`
  const progress = createProgress(log)
  try {
    // Flags win over GOFLAGS: whatever the user has set there, go.mod and go.sum stay as they are.
    const flags = ['-mod=readonly', '-buildvcs=false', '-v', '-ldflags', '-s -w', '-o', unfinished]
    const built = await run(go, ['build', ...flags, PACKAGE], {
      cwd: options.moduleFolder,
      env: { ...options.env, CGO_ENABLED: '0', GOWORK: 'off', GOOS: undefined, GOARCH: undefined },
      timeoutMs: BUILD_TIMEOUT_MS,
      onOutput: progress.read,
    })
    if (!built.succeeded) throw new Error(`go build: ${built.output.slice(-FAILURE_TAIL_LENGTH)}`)
    renameSync(unfinished, target)
  } finally {
    progress.end()
    rmSync(unfinished, { force: true })
  }
}

/** Go prints `go: downloading <module> <version>` while it downloads, then the name of each package it compiles. */
function createProgress(log: Log): { read: (text: string) => void; end: () => void } {
  const startedAt = Date.now()
  let [downloaded, compiled, current] = [0, 0, 'looking at what is compiled already']
  const timer = setInterval(() => {
    const elapsedSeconds = Math.round((Date.now() - startedAt) / 1000)
    const counts = `${downloaded} modules downloaded, ${compiled} packages compiled`
    log(`building the Temporal CLI: ${elapsedSeconds} s, ${counts}, now ${current}`)
  }, TELL_EVERY_MS)
  return {
    read(text) {
      for (const line of text.split('\n')) {
        if (line.trim() === '') continue
        const module = /^go: downloading (\S+)/.exec(line)?.[1]
        if (module === undefined) compiled++
        else downloaded++
        current = module ?? line.trim()
        if (current === PACKAGE) current = 'linking'
      }
    },
    end: () => clearInterval(timer),
  }
}
