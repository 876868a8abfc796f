/** What all commands of the CLI have in common, and what the doctor concludes on this side. */
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { judgeConnections } from '../../api/doctor/connections.ts'
import { clockHere, keyHere, serverHere } from '../../cli/doctor.ts'
import { buildProgram } from '../../cli/main.ts'

function leavesOf(command: Command, path: string[] = []): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path: path.join(' '), command }]
  return command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]))
}

const leaves = leavesOf(buildProgram())
/** Those whose result is a script or SQL, or JSON by itself. */
const WITHOUT_JSON = new Set(['completion', 'receipts ddl', 'schema'])

describe('every command', () => {
  test.each(leaves)('$path can answer in JSON', ({ path, command }) => {
    const hasJson = command.options.some(({ long }) => long === '--json')
    expect(hasJson).toBe(!WITHOUT_JSON.has(path))
  })

  test.each(leaves)('$path has a summary that fits a list of commands', ({ command }) => {
    expect(command.description()).toMatch(/^[a-z A-Z].{5,200}[^.]$/)
  })

  test.each(leaves)('$path shows defaults that people can read', ({ command }) => {
    for (const { defaultValue } of command.options) expect(typeof defaultValue).not.toBe('object')
  })
})

test('every noun has list', () => {
  const nouns = buildProgram().commands.filter(({ commands }) => commands.length > 0)
  const without = nouns.filter(({ commands }) => !commands.some((child) => child.name() === 'list'))
  expect(without.map((noun) => noun.name())).toEqual([])
})

describe('the doctor', () => {
  const target = { origin: 'http://127.0.0.1:1', apiKey: 'x', addressFrom: '--url', keyFrom: '--key' }

  test('says what to do where it finds something on this side', () => {
    expect(serverHere(target, false)).toMatchObject({
      status: 'fail',
      action: 'Start the API, or correct --url.',
    })
    expect(serverHere(target, true)).toMatchObject({ status: 'ok', action: null })
    expect(clockHere(60_000)).toMatchObject({ status: 'warn' })
    expect(clockHere(60_000).summary).toContain('60 s behind')
    expect(clockHere(-900)).toMatchObject({ status: 'ok' })
    expect(keyHere(target, 'missing').action).toContain('countersign login')
  })

  test('names every connection whose server does not answer, before those that are frozen', () => {
    const facts = { count: 3, answered: 2, broken: [], frozen: [], odd: [] }
    expect(judgeConnections(facts)).toMatchObject([{ status: 'ok' }])
    const frozen = {
      status: 'warn',
      action: 'If that is no longer wanted: countersign connections thaw billing',
    }
    expect(judgeConnections({ ...facts, frozen: ['billing'] })).toMatchObject([frozen])
    const broken = ['a', 'b'].map((name) => ({ name, reason: 'gone', action: 'Start it.' }))
    expect(judgeConnections({ ...facts, broken, frozen: ['billing'] })).toMatchObject([
      { status: 'fail', summary: 'a: gone', action: 'Start it.' },
      { status: 'fail', summary: 'b: gone' },
      frozen,
    ])
    const odd = judgeConnections({ ...facts, odd: [{ name: 'crm', message: 'tool x is left out' }] })
    expect(odd).toMatchObject([{ status: 'warn', summary: 'crm: tool x is left out' }])
    expect(odd[0]?.action).toContain('countersign connections show crm')
  })
})
