import { describe, expect, it } from 'vitest'
import { changedSettings, writeSettings } from '../../lib/write-settings.ts'
import { ConnectionSpecSchema, type ConnectionSpec } from '../../schemas/manifests.ts'
import { CONNECTIONS, edited, fieldsOf, HARMLESS, type Transport } from '../support/connection-edits.ts'

const parsed = (spec: unknown): ConnectionSpec => ConnectionSpecSchema.parse(spec)

describe.each<[Transport, string]>([
  ['http', 'pay'],
  ['stdio', 'pay'],
  ['postgres', 'accounts'],
])('of a connection by %s', (transport, name) => {
  const { spec, edits } = CONNECTIONS[transport]
  const settings = (edit: object = {}) => writeSettings(parsed({ ...spec, ...edit }), [name])

  it('each field of the schema has an edit', () => {
    expect(Object.keys(edits).sort()).toEqual(fieldsOf(transport).sort())
  })

  it.each(Object.keys(edits))('%s is part of a write, unless it is harmless', (field) => {
    const after = writeSettings(parsed(edited(spec, field, edits[field] ?? null)), [name])
    const changed = changedSettings(settings(), after)
    expect(changed.length > 0).toBe(!HARMLESS.includes(field))
  })

  it('what is said of others is no part of it', () => {
    const inner = { tools: 'tools' in spec, tables: 'tables' in spec }.tools ? 'tools' : 'tables'
    const others = { ...(spec[inner] as object), other: Object.values(spec[inner] as object)[0] as object }
    expect(changedSettings(settings(), settings({ [inner]: others }))).toEqual([])
  })
})

it('names what differs and tells no value', () => {
  const before = { url: 'a', headers: { token: 'secret', tenant: 'a' }, tools: { pay: { resend: 'never' } } }
  const after = { url: 'a', headers: { token: 'other', trace: 'x', tenant: 'a' }, tools: {} }
  expect(changedSettings(before, after)).toEqual(['headers.token', 'headers.trace', 'tools.pay'])
  expect(changedSettings(before, { ...before })).toEqual([])
})
