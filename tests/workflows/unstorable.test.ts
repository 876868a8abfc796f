/** Texts that PostgreSQL cannot keep, wherever they come from: no attempt fails at the database for ever. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { NOTE, NOTE_AGAIN } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'

const HALF_A_PAIR = '\ud83d'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  const tool = s.server.tools.find(({ name }) => name === 'note_again')
  Object.assign(tool ?? {}, {
    run: () => ({ ...textResult('x'), structuredContent: { 'k\0': `a\0b${HALF_A_PAIR}` } }),
  })
})

afterAll(() => s.close())

function madeByCode(text: string): JsonObject {
  return { name: 'made', code: { source: `export default async () => ${JSON.stringify(text)}` } }
}

test.each([
  ['a zero character', 'a\0b'],
  ['half of a pair', HALF_A_PAIR],
])('%s among the arguments of a write ends the step, and nothing is sent', async (_name, text) => {
  const note = {
    ...NOTE,
    tool_call: { connection: 'tools', tool: 'note', arguments: { about: '${{ steps.made.output }}' } },
  }
  await s.define('odd', [madeByCode(text), note], { allow: true })
  const run = await s.start('odd')
  const ending = await s.expectEnding(run, { state: 'failed', code: 'INVALID_ARGUMENTS', writebacks: [] })
  expect(ending.message).toContain('arguments.about holds a character that cannot be kept')
  expect(s.server.calls.filter(({ tool }) => tool === 'note')).toEqual([])
})

test('an answer of a write that holds them is kept with replacements, and the write is applied', async () => {
  await s.define('answered', [NOTE_AGAIN, { name: 'end', return: '${{ steps.note.output }}' }], {
    allow: true,
  })
  const run = await s.start('answered')
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    result: { 'k\ufffd': 'a\ufffdb\ufffd' },
    notes: 1,
  })
})

test('a question that holds them ends its step', async () => {
  const ask = {
    name: 'ask',
    ask: {
      title: '${{ steps.made.output }}',
      markdown: 'Which?',
      form: { type: 'object' },
      of: { roles: ['lead'] },
    },
  }
  await s.define('asking', [madeByCode('a\0b'), ask], { allow: true })
  const ending = await s.expectEnding(await s.start('asking'), { state: 'failed', code: 'INVALID_ARGUMENTS' })
  expect(ending.message).toContain('ask.title')
})
