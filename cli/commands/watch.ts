/**
 * `countersign runs watch`: follows a run to its end. On a terminal a tree that is drawn anew, else a line for each
 * change. It only looks: ending it leaves the run alone.
 */
import type { Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import { followRun } from '../../sdk/client/index.ts'
import { apiCommand, openApi, type ApiOptions } from '../context.ts'
import { EXIT_CODES } from '../errors.ts'
import { note, printLine, styled, visible } from '../output.ts'
import type { Run } from '../render/fields.ts'
import { changesBetween, fitLines, indentOf, treeLines, type Line, type Tone } from '../render/tree.ts'
import { clock } from '../render/words.ts'

const TICK_MS = 1_000
const DEFAULT_COLUMNS = 80
const DEFAULT_ROWS = 24

export function registerWatch(runs: Command): void {
  apiCommand(runs, {
    usage: 'watch <run>',
    summary:
      'follow a run to its end, with what it waits for; exit code 1 unless it completes. Ctrl-C leaves the run alone',
    examples: ['runs watch run_0f3c…', 'runs watch run_0f3c… --json | jq .state'],
  }).action(watch)
}

interface Display {
  show(run: Run): void
  close(): void
}

async function watch(runId: string, options: ApiOptions): Promise<void> {
  const client = openApi(options)
  const display = options.json ? jsonLines() : process.stdout.isTTY ? drawing() : changes()
  const stopped = new AbortController()
  const stop = (): void => stopped.abort()
  process.once('SIGINT', stop)
  let last: Run | undefined
  try {
    for await (const run of followRun(client, runId, { signal: stopped.signal })) {
      last = run
      display.show(run)
    }
  } catch (error) {
    if (!stopped.signal.aborted) throw error
    display.close()
    note(`${visible(runId)} goes on. Look again: countersign runs watch ${visible(shellWord(runId))}`)
    process.exitCode = EXIT_CODES.interrupted
    return
  } finally {
    process.removeListener('SIGINT', stop)
    display.close()
  }
  if (last?.state !== 'completed') process.exitCode = EXIT_CODES.failed
}

/** One document a line, for programs. */
function jsonLines(): Display {
  return { show: (run) => printLine(JSON.stringify(run)), close: () => undefined }
}

function changes(): Display {
  let before: Run | undefined
  return {
    show(run) {
      const now = clock(new Date().toISOString())
      for (const text of changesBetween(before, run)) printLine(`${now} ${text}`)
      before = run
    },
    close: () => undefined,
  }
}

/** The lines of before are overwritten; what is above stays. */
function drawing(): Display {
  let run: Run | undefined
  let drawn = 0
  const draw = (): void => {
    if (run === undefined) return
    // Both are 0 on a terminal that does not say how large it is.
    const rows = process.stdout.rows || DEFAULT_ROWS
    const columns = process.stdout.columns || DEFAULT_COLUMNS
    // The last column and the last row stay empty: a terminal wraps and scrolls there.
    const lines = fitLines(treeLines(run, Date.now()), { rows: rows - 1, columns: columns - 1 })
    const back = drawn === 0 ? '' : `\u001B[${drawn}A\r\u001B[J`
    process.stdout.write(`${back}${lines.map((each) => `${painted(each)}\n`).join('')}`)
    drawn = lines.length
  }
  // For the time that passes.
  const ticks = setInterval(draw, TICK_MS)
  return {
    show(next) {
      run = next
      draw()
    },
    close() {
      clearInterval(ticks)
    },
  }
}

function painted(line: Line): string {
  const indent = indentOf(line)
  if (line.depth === 0) return styled('bold', `${indent}${line.text}`)
  const paint = PAINTS[line.tone]
  return line.mark === '' ? paint(`${indent}${line.text}`) : `${paint(indent)}${line.text}`
}

const PAINTS: Record<Tone, (text: string) => string> = {
  good: (text) => styled('green', text),
  bad: (text) => styled('red', text),
  waiting: (text) => styled('yellow', text),
  quiet: (text) => styled('dim', text),
  plain: (text) => text,
}
