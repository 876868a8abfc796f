/** The tutorial, followed literally: a copy of the files as a clone has them, its own ports, nothing prepared. */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksOf, ROOT } from '../markdown.ts'
import { createFollower } from './follow.ts'

const TUTORIAL = 'docs/tutorial/ten-minutes.md'
const HOW_TO = 'docs/how-to/write-an-automation.md'

let folder: string
let follower: ReturnType<typeof createFollower>

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-tutorial-'))
  // PostgreSQL runs as another user when this is root, and has to pass through.
  chmodSync(folder, 0o755)
  copyFiles(folder)
  follower = createFollower({
    folder,
    typed: (line) => (line === 'npm run dev' ? 'npm run dev -- --port 0' : line),
    log: (line) => process.stderr.write(`[tutorial] ${line}\n`),
  })
})

afterAll(async () => {
  try {
    await follower.stop()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

describe('the tutorial', () => {
  it('does what it says, block after block', async () => {
    const blocks = blocksOf(TUTORIAL)
    expect(blocks.filter(({ language }) => language === 'text').length).toBeGreaterThan(5)
    for (const block of blocks) await follower.follow(block)
  }, 600_000)

  it('has a stack on which the examples of the how-to are saved, and those that only read run', async () => {
    const blocks = blocksOf(HOW_TO).filter(
      ({ language, info }) => language === 'yaml' && !info.startsWith('fragment'),
    )
    const type = (text: string) => follower.follow({ place: HOW_TO, language: 'bash', info: '', text })
    await type('mkdir examples-of-how-to')
    // What the example of json() reads.
    await type(`echo '[{"id": 7}]' > .countersign/late-fee/notes/default/orders.json`)
    for (const [index, { text }] of blocks.entries()) {
      const manifest = text.startsWith('kind:') ? text : asAutomation(`example-${index}`, text)
      await follower.follow({
        place: HOW_TO,
        language: 'yaml',
        info: `examples-of-how-to/${index}.yaml`,
        text: manifest,
      })
    }
    await type('npx --no-install countersign apply -f examples-of-how-to')
    const readers = [...blocks.entries()].filter(
      ([, { text }]) => !/^kind|writeback:|write_file|sleep:|ask:/m.test(text),
    )
    for (const [index] of readers) await type(`npx --no-install countersign run example-${index} --wait`)
    expect(blocks.length).toBeGreaterThan(8)
    expect(readers.length).toBeGreaterThan(3)
  }, 120_000)

  it('ends everything with Ctrl-C', async () => {
    await follower.stop()
  }, 90_000)
})

/** What a clone of this state would have: what git ignores, it would not. */
function copyFiles(target: string): void {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  for (const file of listed.split('\0').filter((name) => name !== '' && name !== 'node_modules')) {
    mkdirSync(dirname(join(target, file)), { recursive: true })
    cpSync(join(ROOT, file), join(target, file))
  }
}

/** A list of steps, as the page shows them. */
function asAutomation(name: string, steps: string): string {
  return `kind: Automation\nname: ${name}\nspec:\n  steps:\n${steps.replaceAll(/^/gm, '    ')}\n`
}
