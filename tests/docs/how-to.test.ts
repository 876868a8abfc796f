/** The parts of how-tos that need no server, followed literally: what is printed is what the page says. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CLI } from '../support/package.ts'
import { blocksOf, readPage, ROOT } from './markdown.ts'
import { createFollower } from './tutorial/follow.ts'

const PAGE = 'docs/how-to/write-an-automation.md'
const SECTIONS = ['## Check it before you save it', '## Test it']

it('checks and tests an automation as the page does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-how-to-'))
  symlinkSync(join(ROOT, 'examples'), join(folder, 'examples'))
  const program = `"${process.execPath}" "${CLI}" `
  const typed = (line: string): string => line.replace(/^countersign /, program)
  const follower = createFollower({ folder, typed, log: () => undefined })
  try {
    const blocks = SECTIONS.flatMap((heading) => blocksOf(PAGE, sectionOf(heading)))
    for (const block of blocks) await follower.follow(block)
    expect(blocks.map(({ language }) => language)).toEqual([
      'yaml',
      'bash',
      'text',
      'yaml',
      'yaml',
      'bash',
      'text',
    ])
  } finally {
    await follower.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

function sectionOf(heading: string): string {
  const [, section = ''] = readPage(PAGE).split(`${heading}\n`)
  return section.split('\n## ')[0] ?? ''
}
