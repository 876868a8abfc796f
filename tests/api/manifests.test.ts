import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { InspectTools } from '../../api/deps.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { listRevisions } from '../../db/queries/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import { billingConnection, countRows, createTestApi, returningAutomation, type TestApi } from './support.ts'

const crm = {
  kind: 'Connection',
  name: 'crm',
  spec: {
    type: 'postgres',
    url: '${secret:CRM_URL}',
    scope: { column: 'tenant', value: 'acme' },
    tables: {
      customers: { primary_key: ['tenant', 'id'], version: 'version', writable: ['status', 'note'] },
    },
  },
}

const inputSchema = {
  type: 'object',
  properties: { id: { type: 'string' }, amount: { type: 'number' } },
  required: ['id'],
  additionalProperties: false,
}

/** What the server behind `billing` offers; a test may change it. */
let definition = 'a'.repeat(64)
let isAway = false
let warnings: { tool: string | null; message: string }[] = []
const inspectTools: InspectTools = async (_organization, connection) => {
  if (isAway) throw new CodedError('CONNECTION_NOT_READY', `${connection} does not answer`)
  return { tools: [{ tool: 'get_invoice', definitionSha256: definition, inputSchema }], warnings }
}

let api: TestApi
beforeAll(async () => {
  api = await createTestApi({ inspectTools })
})
afterAll(() => api.close())
afterEach(() => {
  isAway = false
})

function apply(manifests: unknown[], extra: Record<string, unknown> = {}) {
  return api.call({ method: 'POST', url: '/v1/manifests', body: { manifests, ...extra } })
}

async function placesOf(manifests: unknown[]): Promise<ProblemPlace[]> {
  const before = await Promise.all([
    countRows(api.database, 'revisions'),
    countRows(api.database, 'manifests'),
  ])
  const { status, body } = await apply(manifests)
  expect({ status, body }).toMatchObject({ status: 422, body: { code: 'INVALID_MANIFEST' } })
  const after = await Promise.all([
    countRows(api.database, 'revisions'),
    countRows(api.database, 'manifests'),
  ])
  expect(after).toEqual(before)
  return body['errors'] as ProblemPlace[]
}

function calling(name: string, args: Record<string, unknown>, tool = 'get_invoice') {
  return {
    kind: 'Automation',
    name,
    spec: { steps: [{ name: 'read', tool_call: { connection: 'billing', tool, arguments: args } }] },
  }
}

describe('what is wrong with manifests', () => {
  it('is told all at once, with places and the names that were probably meant', async () => {
    const places = await placesOf([
      {
        kind: 'Automation',
        name: 'Bad Name',
        spec: { steps: [{ name: 's', tool_call: { connection: 'x' } }] },
      },
      crm,
      {
        kind: 'Automation',
        name: 'wrong',
        spec: {
          input: { type: 'nothing' },
          triggers: [
            {
              type: 'event',
              connection: 'crn',
              event: 'e',
              filter: 'event.data >',
              input: { a: '${{ input.a }}' },
            },
          ],
          steps: [
            { name: 'first', if: 'steps.later.output == 1', return: '${{ steps.frist.output }}' },
            { name: 'first', return: '${{ open' },
            { name: 'later', tool_call: { connection: 'crm', tool: 't' } },
            {
              name: 'write',
              writeback: {
                connection: 'crm',
                update: {
                  table: 'customers',
                  key: { tenant: 'other' },
                  set: { statsu: 1 },
                  guard: { secret: 1 },
                },
              },
            },
            {
              name: 'table',
              writeback: { connection: 'crm', update: { table: 'custmers', key: { id: 1 }, set: { a: 1 } } },
            },
            { name: 'field', return: '${{ steps.later.outptu }}' },
          ],
        },
      },
      {
        kind: 'Policy',
        name: 'p',
        spec: { rules: [{ name: 'r', allow: true, match: { when: 'nothing > 1' } }] },
      },
    ])
    const found = Object.fromEntries(
      places.map(({ path, message, hint }) => [path, `${message} ${hint ?? ''}`]),
    )
    const wrong = 'manifests[2].spec'
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining([
        'manifests[0].name',
        'manifests[0].spec.steps[0].tool_call.tool',
        `${wrong}.input`,
        `${wrong}.triggers[0].connection`,
        `${wrong}.triggers[0].filter`,
        `${wrong}.triggers[0].input.a`,
        `${wrong}.steps[0].if`,
        `${wrong}.steps[0].return`,
        `${wrong}.steps[1].name`,
        `${wrong}.steps[1].return`,
        `${wrong}.steps[2].tool_call.connection`,
        `${wrong}.steps[3].writeback.update.key`,
        `${wrong}.steps[3].writeback.update.key.tenant`,
        `${wrong}.steps[3].writeback.update.set.statsu`,
        `${wrong}.steps[3].writeback.update.guard.secret`,
        `${wrong}.steps[4].writeback.update.table`,
        `${wrong}.steps[5].return`,
        'manifests[3].spec.rules[0].match.when',
      ]),
    )
    expect(found[`${wrong}.triggers[0].connection`]).toContain('Did you mean `crm`?')
    expect(found[`${wrong}.steps[3].writeback.update.set.statsu`]).toContain('Did you mean `status`?')
    expect(found[`${wrong}.steps[4].writeback.update.table`]).toContain('Did you mean `customers`?')
    expect(found[`${wrong}.steps[0].if`]).toContain('comes later')
  })

  it('includes the same name twice in one request', async () => {
    const places = await placesOf([returningAutomation('twin'), returningAutomation('twin')])
    expect(places).toMatchObject([{ path: 'manifests[1].name' }])
  })

  it.each([null, 1, 'text', []])('includes what is no manifest at all: %j', async (value) => {
    const { status } = await apply([value])
    expect([400, 422]).toContain(status)
  })
})

describe('applying', () => {
  it('makes a revision of what has changed, and none of what has not', async () => {
    const first = await apply([crm, returningAutomation('steady')])
    expect(first.body['results']).toEqual([
      { kind: 'Connection', name: 'crm', revision: 1, status: 'changed' },
      { kind: 'Automation', name: 'steady', revision: 1, status: 'changed' },
    ])
    const again = await apply([returningAutomation('steady'), crm])
    expect(again.body['results']).toMatchObject([
      { name: 'steady', revision: 1, status: 'unchanged' },
      { name: 'crm', revision: 1, status: 'unchanged' },
    ])
    const changed = await apply([returningAutomation('steady', { description: 'new' })])
    expect(changed.body['results']).toMatchObject([{ revision: 2, status: 'changed' }])
  })

  it('refuses to go over a revision that the caller has not seen', async () => {
    const document = (description: string) => [returningAutomation('shared', { description })]
    expect((await apply(document('one'), { expected_revision: 0 })).status).toBe(200)
    expect(await apply(document('two'), { expected_revision: 0 })).toMatchObject({
      status: 409,
      body: { code: 'REVISION_CONFLICT' },
    })
    expect((await apply(document('one'), { expected_revision: 0 })).body['results']).toMatchObject([
      { status: 'unchanged' },
    ])
    expect((await apply([crm, ...document('x')], { expected_revision: 1 })).status).toBe(400)
  })

  it('shows and lists what is stored', async () => {
    await apply([crm])
    const shown = await api.call({ url: '/v1/manifests/Connection/crm' })
    expect(shown.body).toMatchObject({
      kind: 'Connection',
      name: 'crm',
      author: 'ops@example.org',
      manifest: crm,
    })
    const listed = await api.call({ url: '/v1/manifests?kind=Connection' })
    expect((listed.body['items'] as { kind: string }[]).every(({ kind }) => kind === 'Connection')).toBe(true)
  })

  it('keeps every revision, and shows it', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      const saved = await apply([{ ...returningAutomation('kept'), version }])
      expect(saved.status).toBe(200)
    }
    const url = '/v1/manifests/Automation/kept'
    for (const [query, revision, version] of [
      ['', 2, '1.1.0'],
      ['?revision=1', 1, '1.0.0'],
    ]) {
      const { body } = await api.call({ url: `${url}${query}` })
      expect(body).toMatchObject({ revision, version, manifest: { version } })
    }
    const newest = await api.call({ url: `${url}/revisions?limit=1` })
    expect(newest.body['items']).toMatchObject([{ revision: 2, author: 'ops@example.org' }])
    const cursor = String(newest.body['next_cursor'])
    const rest = await api.call({ url: `${url}/revisions?limit=1&cursor=${cursor}` })
    expect(rest.body).toMatchObject({ items: [{ revision: 1 }], next_cursor: null })
    expect(
      (await api.call({ url: `/v1/manifests/Automation/other/revisions?cursor=${cursor}` })).status,
    ).toBe(400)
    expect((await api.call({ url: `${url}?revision=3` })).status).toBe(404)
    expect((await api.call({ url: '/v1/manifests/Automation/nothing/revisions' })).status).toBe(404)
  })

  it('does not read what revisions say for their list', async () => {
    await apply([returningAutomation('listed')])
    const about = { organization: 'acme', kind: 'Automation', name: 'listed', limit: 100 } as const
    const [row] = await listRevisions(api.database, about)
    expect(row).toMatchObject({ number: 1 })
    expect(row).not.toHaveProperty('body')
  })

  it('two requests about the same manifests at once leave revisions without gaps', async () => {
    const both = (text: string) => [
      returningAutomation('left', { description: text }),
      returningAutomation('right', { description: text }),
    ]
    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) => apply(n % 2 ? both(`t${n}`) : both(`t${n}`).reverse())),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const { rows } = await api.database.query<{ number: number }>(
      `select number from revisions where name = 'left' order by number`,
    )
    expect(rows.map(({ number }) => number)).toEqual([1, 2, 3, 4])
  })
})

describe('tools', () => {
  it('of a connection of the same request are pinned; a changed definition is a new revision', async () => {
    const applied = await apply([calling('reader', { id: '${{ input.id }}' }), billingConnection])
    expect(applied.body['results']).toMatchObject([
      { kind: 'Automation', status: 'changed' },
      { kind: 'Connection', status: 'changed' },
    ])
    const pinsOf = async () => (await api.call({ url: '/v1/manifests/Automation/reader' })).body
    expect(await pinsOf()).toMatchObject({ revision: 1, pins: { 'billing/get_invoice': 'a'.repeat(64) } })
    definition = 'b'.repeat(64)
    await apply([calling('reader', { id: '${{ input.id }}' })])
    expect(await pinsOf()).toMatchObject({ revision: 2, pins: { 'billing/get_invoice': 'b'.repeat(64) } })
  })

  it('that do not exist, or do not take the literal arguments, are told with their places', async () => {
    await apply([billingConnection])
    const cases: [unknown, string][] = [
      [calling('x', {}, 'get_invoce'), 'manifests[0].spec.steps[0].tool_call.tool'],
      [calling('x', { id: 5 }), 'manifests[0].spec.steps[0].tool_call.arguments.id'],
      [
        calling('x', { id: '${{ input.id }}', amount: 'much' }),
        'manifests[0].spec.steps[0].tool_call.arguments.amount',
      ],
      [calling('x', { amount: '${{ input.amount }}' }), 'manifests[0].spec.steps[0].tool_call.arguments'],
    ]
    for (const [manifest, path] of cases)
      expect((await placesOf([manifest])).map((p) => p.path)).toEqual([path])
    const [unknown] = await placesOf([calling('x', {}, 'get_invoce')])
    expect(unknown?.hint).toBe('Did you mean `get_invoice`?')
  })

  it('are told together with what is wrong by itself, and not more than can be read', async () => {
    await apply([billingConnection])
    const broken = { ...calling('y', { id: '1' }), spec: { steps: [{ name: 'a', return: '${{ inptu }}' }] } }
    const places = await placesOf([calling('x', {}, 'get_invoce'), { kind: 'Policy', name: 'p' }, broken])
    expect(places.map(({ path }) => path).sort()).toEqual([
      'manifests[0].spec.steps[0].tool_call.tool',
      'manifests[1].spec',
      'manifests[2].spec.steps[0].return',
    ])
    const many = await placesOf(Array.from({ length: 105 }, (_, index) => ({ ...broken, name: `y${index}` })))
    expect(many).toHaveLength(101)
    expect(many[100]?.message).toBe('5 more places are wrong')
  })

  it('that a connection speaks of are those of its server, if that can be asked', async () => {
    const check = { tool: 'get_invoce', applied_if: 'true' }
    const saying = (tools: object) => ({
      ...billingConnection,
      spec: { ...billingConnection.spec, tools },
    })
    await apply([billingConnection])
    const tools = { get_invoce: { class: 'read' }, get_invoice: { key_argument: 'amuont', check } }
    const places = await placesOf([saying(tools)])
    expect(places.map(({ path, hint }) => `${path} ${hint}`)).toEqual([
      'manifests[0].spec.tools.get_invoce Did you mean `get_invoice`?',
      'manifests[0].spec.tools.get_invoice.key_argument Did you mean `amount`?',
      'manifests[0].spec.tools.get_invoice.check.tool Did you mean `get_invoice`?',
    ])
    isAway = true
    expect((await apply([saying({ get_invoce: { class: 'read' } })])).status).toBe(200)
    await apply([billingConnection])
  })

  it('whose server is away cannot be checked: nothing of the automation is saved', async () => {
    await apply([billingConnection])
    isAway = true
    const answer = await apply([calling('later', { id: '1' })])
    expect(answer).toMatchObject({ status: 503, body: { code: 'CONNECTION_NOT_READY' } })
    expect((await api.call({ url: '/v1/manifests/Automation/later' })).status).toBe(404)
  })
})

describe('taking a manifest out of use', () => {
  const remove = (kind: string, name: string) =>
    api.call({ method: 'DELETE', url: `/v1/manifests/${kind}/${name}` })
  const old = { ...billingConnection, name: 'old' }
  const caller = {
    kind: 'Automation',
    name: 'caller-of-old',
    spec: {
      steps: [
        { name: 'read', tool_call: { connection: 'old', tool: 'get_invoice', arguments: { id: '1' } } },
      ],
    },
  }
  const around = {
    kind: 'Automation',
    name: 'around-caller',
    spec: { steps: [{ name: 'go', run_automation: { automation: 'caller-of-old' } }] },
  }

  it('is refused while something needs it, which is named', async () => {
    expect(await apply([old, caller, around])).toMatchObject({ status: 200 })
    expect(await remove('Connection', 'old')).toMatchObject({
      status: 409,
      body: { code: 'STILL_USED', detail: 'Connection old is needed by automation caller-of-old.' },
    })
    expect(await remove('Automation', 'caller-of-old')).toMatchObject({
      status: 409,
      body: { code: 'STILL_USED', detail: 'Automation caller-of-old is needed by automation around-caller.' },
    })
  })

  it('ends what it was, and leaves its revisions for runs that are pinned to them', async () => {
    for (const [kind, name] of [
      ['Automation', 'around-caller'],
      ['Automation', 'caller-of-old'],
      ['Connection', 'old'],
    ] as const) {
      expect(await remove(kind, name)).toMatchObject({
        status: 200,
        body: { kind, name, removed_revision: 1 },
      })
      expect(await api.call({ url: `/v1/manifests/${kind}/${name}` })).toMatchObject({ status: 404 })
      expect(await remove(kind, name)).toMatchObject({ status: 404 })
      const kept = await api.call({ url: `/v1/manifests/${kind}/${name}?revision=1` })
      expect(kept).toMatchObject({ status: 200, body: { name } })
    }
    const start = await api.call({ method: 'POST', url: '/v1/automations/caller-of-old/runs', body: {} })
    expect(start).toMatchObject({ status: 404 })
    expect(await api.call({ url: '/v1/connections/old' })).toMatchObject({ status: 404 })
    const listed = await api.call({ url: '/v1/manifests?limit=500' })
    const names = (listed.body['items'] as { name: string }[]).map(({ name }) => name)
    expect(names.filter((name) => /old|around/.test(name))).toEqual([])
  })

  it('may be taken back: what is applied under its name goes on counting', async () => {
    const { body } = await apply([old])
    expect(body['results']).toMatchObject([{ name: 'old', revision: 2, status: 'changed' }])
  })
})

describe('what a connection offers', () => {
  it('is where it leads, its tools with their class, and who has pinned which definition', async () => {
    const spec = { type: 'mcp', transport: 'http', url: 'https://offers.example/mcp', tools: {} }
    const offers = { kind: 'Connection', name: 'offers', spec }
    expect(await apply([offers])).toMatchObject({ status: 200 })
    const tool = { name: 'get_invoice', description: 'Reads one.', annotations: { readOnlyHint: true } }
    await api.database.query(
      `insert into tool_catalog (organization, connection, tool, definition, definition_sha256)
       values ('acme', 'offers', 'get_invoice', $1, $2)`,
      [JSON.stringify(tool), 'a'.repeat(64)],
    )
    definition = 'a'.repeat(64)
    const reader = { ...calling('reader', { id: '1' }), name: 'reader-of-offers' }
    const [step] = reader.spec.steps
    await apply([
      { ...reader, spec: { steps: [{ ...step, tool_call: { ...step!.tool_call, connection: 'offers' } }] } },
    ])
    const tools = async () => (await api.call({ url: '/v1/connections/offers/tools' })).body['tools']
    expect(await tools()).toMatchObject([
      {
        tool: 'get_invoice',
        description: 'Reads one.',
        class: 'write',
        class_from: 'nobody',
        pinned_by: [{ automation: 'reader-of-offers', revision: 1, changed: false }],
      },
    ])
    await api.database.query(`update tool_catalog set definition_sha256 = $1 where connection = 'offers'`, [
      'b'.repeat(64),
    ])
    await apply([{ ...offers, spec: { ...spec, trusted: true } }])
    expect(await tools()).toMatchObject([
      { class: 'read', class_from: 'server', pinned_by: [{ changed: true }] },
    ])
    expect(await api.call({ url: '/v1/connections/offers' })).toMatchObject({
      body: { type: 'mcp', revision: 2, address: 'https://offers.example/mcp', tools: { count: 1 } },
    })
  })

  it('is asked for anew on a worker, and what is wrong there is the answer', async () => {
    const check = () => api.call({ method: 'POST', url: '/v1/connections/offers/check' })
    expect(await check()).toMatchObject({ status: 200, body: { name: 'offers', type: 'mcp', tools: 1 } })
    isAway = true
    expect(await check()).toMatchObject({ status: 503, body: { code: 'CONNECTION_NOT_READY' } })
    expect(await api.call({ url: '/v1/connections/nowhere/tools' })).toMatchObject({ status: 404 })
  })
})
