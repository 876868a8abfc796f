import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { shellWord } from '../../lib/shell-text.ts'
import { signalCommand, type TemporalAccess } from '../../api/temporal.ts'
import { approvalDetails } from '../../workflows/details.ts'
import { createApprovalState } from '../../workflows/decide.ts'
import { NOON_MS, pendingWrite } from '../support/fixtures.ts'

const HOSTILE = [
  `wb_1'; touch pwned; '`,
  '$(touch pwned)',
  '`touch pwned`',
  'a b',
  'x\ntouch pwned',
  '*',
  '~',
  '#x',
  '',
  `"`,
  'ü',
]

/** What a shell makes of the words of a command. */
const wordsOf = (words: string): string[] =>
  execFileSync('sh', ['-c', `for word in ${words}; do printf '%s\\0' "$word"; done`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)

describe('a word of a command', () => {
  it.each(HOSTILE)('is the text itself for a shell: %j', (text) => {
    expect(wordsOf(`a ${shellWord(text)} z`)).toEqual(['a', text, 'z'])
  })

  it('is left alone where it is plain', () => {
    for (const plain of ['wb_1.each.3.pay-0a.1/ask2', 'run_0f3c', 'approval/acme/wb_1.pay.1'])
      expect(shellWord(plain)).toBe(plain)
  })
})

describe('commands for people', () => {
  it.each(HOSTILE)('have ids and namespaces as words: %j', (text) => {
    const ticket = { payloadType: text, payload: '', signatures: [] }
    const temporal = { namespace: text } as TemporalAccess
    const command = signalCommand(temporal, { workflowId: text, signal: 'approve', input: { ticket } })
    const words = wordsOf(command)
    expect(words.slice(0, 9)).toEqual([
      'temporal',
      'workflow',
      'signal',
      '--namespace',
      text,
      '--workflow-id',
      text,
      '--name',
      'approve',
    ])
    expect(JSON.parse(words[10] ?? '')).toEqual({ ticket })
  })

  it('name the address of Temporal where it is known, for the program asks its own machine else', () => {
    const ticket = { payloadType: '', payload: '', signatures: [] }
    const signal = { workflowId: 'approval/acme/wb_1', signal: 'approve', input: { ticket } }
    const known = { namespace: 'default', address: 'temporal.example.org:7233' } as TemporalAccess
    expect(wordsOf(signalCommand(known, signal)).slice(3, 5)).toEqual([
      '--address',
      'temporal.example.org:7233',
    ])
  })

  it('on the page of an approval, too', () => {
    const state = createApprovalState(pendingWrite(), NOON_MS)
    const line = approvalDetails(state, 'verified', `x'; touch pwned; '`)
      .split('\n')
      .find((text) => text.startsWith('countersign approve'))
    expect(wordsOf(line ?? '')).toEqual(['countersign', 'approve', `x'; touch pwned; '`, '--ticket'])
  })
})
