/** The policy of the example: it is about the example's own connections, and about nothing that somebody adds. */
import { expect, it } from 'vitest'
import { deniedText } from '../../activities/reading.ts'
import { loadManifests } from '../../examples/late-fee/manifests.ts'
import { ruleOn, type CallFacts } from '../../lib/policy.ts'
import type { Manifest, PolicySpec } from '../../schemas/manifests.ts'

const manifests = await loadManifests()
const policies = manifests.flatMap(({ kind, name, spec }: Manifest) =>
  kind === 'Policy' ? [{ name, spec: spec as PolicySpec }] : [],
)

const WRITE: CallFacts = {
  connection: 'mine',
  operation: 'set',
  executor: 'mcp_tool',
  automation: 'own',
  class: 'write',
  arguments: {},
  patch: {},
  target: {},
  requester: { principal: 'lena@example.org', kind: 'person', onBehalfOf: [] },
}

it('lets a write through a connection that somebody has added wait for an approver', () => {
  for (const connection of ['mine', 'billing-of-mine', 'notes-2'])
    expect(ruleOn(policies, { ...WRITE, connection })).toMatchObject({
      effect: 'require',
      requirement: { rule: 'writes-need-an-approver' },
    })
})

it('denies every write through its own connections that it does not name', () => {
  for (const connection of ['billing', 'billing-db', 'notes'])
    expect(ruleOn(policies, { ...WRITE, connection })).toMatchObject({ effect: 'deny' })
})

it('says of a denied tool that nobody has classed how to say that it reads', () => {
  const spec = manifests.find(({ name }) => name === 'billing')!.spec as Extract<
    Manifest,
    { kind: 'Connection' }
  >['spec']
  const operation = {
    organization: 'acme',
    connection: 'billing',
    spec,
    operation: 'get_report',
    arguments: {},
  }
  const denied = deniedText('billing/no-other-writes-of-billing', operation)
  expect(denied).toContain(
    'rule billing/no-other-writes-of-billing denies it; connection billing does not say of get_report',
  )
  expect(denied).toContain('`class: read`')
  if (spec.type !== 'mcp') throw new Error('billing is an MCP server')
  const classed = { ...spec, tools: { get_report: { class: 'write' as const } } }
  expect(deniedText('p/r', { ...operation, spec: classed as typeof spec })).toBe('rule p/r denies it')
})
