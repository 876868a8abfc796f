/** What is said of manifests that people wrote with another product in mind, or with a slip: all of it, in our words. */
import { describe, expect, it } from 'vitest'
import { knownOf, parsedPlaces } from '../../manifests/check.ts'
import { parseDocuments, type Document } from '../../manifests/document.ts'
import { warningPlaces } from '../../manifests/warnings.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'

async function placesOf(...manifests: object[]): Promise<ProblemPlace[]> {
  const parsed = parseDocuments(manifests)
  const known = knownOf(
    parsed.documents.map(({ manifest }) => manifest),
    false,
    parsed.broken,
  )
  return parsedPlaces(parsed, known)
}

async function told(...manifests: object[]): Promise<string[]> {
  return (await placesOf(...manifests)).map(
    ({ path, message, hint = '' }) => `${path.replace('manifests[0].', '')}: ${message} | ${hint}`,
  )
}

const connection = (spec: object) => ({ kind: 'Connection', name: 'c', spec })
const automation = (spec: object) => ({ kind: 'Automation', name: 'a', spec })
const step = (fields: object) => automation({ steps: [{ name: 's', ...fields }] })
const HTTP = { type: 'mcp', transport: 'http', url: 'https://a.example/mcp' }

describe('of a form that is told by a word', () => {
  it('only the form that was meant is told', async () => {
    const tables = { orders: { writable: ['status'] } }
    expect(await told(connection({ type: 'postgres', url: '${secret:X}', tables }))).toEqual([
      'spec.tables.orders.primary_key: is missing | It takes a list.',
    ])
  })

  it('an address that is none is refused, of a server and of a database', async () => {
    const tables = { orders: { primary_key: ['id'], writable: ['status'] } }
    expect(await told(connection({ ...HTTP, url: 'hello world' }))).toEqual([
      expect.stringMatching(/^spec\.url: must be an address that begins with http:\/\/ or https:\/\//),
    ])
    expect(await told(connection({ type: 'postgres', url: 'hello world', tables }))).toEqual([
      expect.stringMatching(/^spec\.url: it must begin with postgres:\/\//),
    ])
  })

  it('words of other products are answered with what is written here', async () => {
    const hints = [
      connection({ ...HTTP, transport: 'sse' }),
      connection({ ...HTTP, transport: 'streamable-http' }),
      connection({ type: 'mysql', url: '${secret:X}', tables: {} }),
      automation({ triggers: [{ type: 'schedule', cron: '* * * * *' }], steps: [{ name: 's', return: 1 }] }),
      step({ foreach: { items: 'input.a', steps: [] } }),
      step({ http: { url: 'https://a.example' } }),
      step({ forEach: {} }),
      step({ return: 1, when: 'true' }),
      { apiVersion: 'v1', ...step({ return: 1 }) },
    ]
    const answers = await Promise.all(hints.map(async (manifest) => (await told(manifest)).join('\n')))
    expect(answers).toEqual([
      expect.stringMatching(
        /^spec\.transport: must be one of http, stdio \| .*no longer spoken: write `http`/,
      ),
      'spec.transport: must be one of http, stdio | Write `http`.',
      expect.stringMatching(/^spec\.type: must be one of mcp, postgres \| Of databases only `postgres`/),
      expect.stringMatching(
        /^spec\.triggers\[0\]\.type: must be event \| Nothing here is started by the clock/,
      ),
      expect.stringMatching(
        /^spec\.steps\[0\]: needs one of tool_call, .* \| There is no `foreach`\. .*for_each/,
      ),
      expect.stringMatching(
        /^spec\.steps\[0\]: needs one of .* \| There is no `http`\. There is no step for HTTP/,
      ),
      expect.stringMatching(/^spec\.steps\[0\]: needs one of .* \| There is no `forEach`\. .*for_each/),
      expect.stringMatching(/^spec\.steps\[0\]: has no field `when` \| Write `if`/),
      expect.stringMatching(/: has no field `apiVersion` \| A manifest starts with/),
    ])
  })
})

it('of the form is in words of ours, whatever is wrong', async () => {
  const places = await placesOf(
    connection({ ...HTTP, url: 'hello world', timeout: 5, tools: { x: { class: 'reads' } }, headers: [] }),
    {
      kind: 'Policy',
      name: 'P',
      spec: { rules: [{ name: 'r', require: { stages: [{ roles: ['x'], quorum: 0 }] } }] },
    },
    step({
      tool_call: { connection: 'c', tool: '', arguments: ['a'] },
      timeout: '5m30s',
      retry: { max_attempts: '3' },
    }),
    automation({
      steps: [
        { name: 3, sleep: '5s' },
        { name: 'x', parallel: { branches: { 'a-b': [] } } },
      ],
    }),
    automation({ steps: [] }),
    automation({}),
    { kind: 'Automaton' },
    {},
  )
  const texts = places.map(({ message }) => message)
  expect(texts).toContain('must be an address that begins with http:// or https://')
  expect(texts).toContain('must be a text, not a number')
  expect(texts).toContain('is empty')
  expect(
    texts.filter((text) =>
      /Invalid|Unrecognized|Too (?:small|big)|expected|received|discriminator|record/.test(text),
    ),
  ).toEqual([])
})

describe('form and meaning', () => {
  it('are told together, in the whole of what is applied', async () => {
    const places = await told(
      automation({
        steps: [
          { name: 'read', tool_call: { connection: 'c', tool: 't' }, timout: '5s' },
          { name: 'broken', foreach: {} },
          { name: 'next', if: 'steps.raed.output > 1', return: '${{ steps.broken.output.x }}' },
          { name: 'bad', if: '1 +', sleep: 5 },
        ],
      }),
      { ...connection({ ...HTTP, transport: 'sse' }), name: 'c' },
    )
    expect(places.map((text) => text.replace(/ \|.*$/, ''))).toEqual([
      'spec.steps[0]: has no field `timout`',
      expect.stringContaining('spec.steps[1]: needs one of'),
      'spec.steps[3].sleep: must be an object, not a number',
      'manifests[1].spec.transport: must be one of http, stdio',
      'spec.steps[2].if: there is no step `raed`',
    ])
  })

  it('leave out what follows from a name that is wrong', async () => {
    const steps = [
      { name: 'My Step', return: 1 },
      { name: 'b', return: '${{ steps.my_step.output }}' },
    ]
    expect(await told(automation({ steps }))).toHaveLength(1)
  })

  it('never save what is only half a manifest', () => {
    const { documents, halves } = parseDocuments([step({ return: 1, retrun: 2 })])
    expect([documents.length, halves.length]).toEqual([0, 1])
  })
})

describe('a secret that stands in a header', () => {
  const SAID = 'may hold no secret: whoever may read connections would have it'

  it.each([
    ['Authorization', 'Bearer sk_live_abcdefgh'],
    ['authorization', 'abc'],
    ['X-Api-Key', 'abc'],
    ['X-Vendor', 'Bearer abc'],
    ['X-Vendor', 'ghp_0123456789abcdefghijkl'],
    ['Cookie', 'session=1'],
    ['X-Auth-Token', 'abc'],
  ])('is refused: %s: %s', async (name, value) => {
    const [place] = await placesOf(connection({ ...HTTP, headers: { [name]: value } }))
    expect(place).toMatchObject({ message: SAID, hint: expect.stringContaining('${secret:NAME}') })
    expect(place?.path).toContain(name)
  })

  it.each([
    ['Authorization', 'Bearer ${secret:TOKEN}'],
    ['X-Tenant', 'acme'],
    ['User-Agent', 'countersign'],
    ['X-Idempotency-Key-Header', 'key'],
    ['Accept-Language', 'de'],
  ])('is none: %s: %s', async (name, value) => {
    expect(await placesOf(connection({ ...HTTP, headers: { [name]: value } }))).toEqual([])
  })
})

describe('headers that are larger than servers take', () => {
  it.each<[string, Record<string, string>, string]>([
    ['one', { 'x-a': 'a'.repeat(9_000) }, 'x-a: 9 KB, at most 8 KB'],
    ['a name', { ['a'.repeat(9_000)]: '' }, `${'a'.repeat(60)}…: 9 KB, at most 8 KB`],
    [
      'all together',
      { 'x-a': 'a'.repeat(7_000), 'x-b': 'ü'.repeat(3_500), 'x-c': 'a'.repeat(7_000) },
      '21 KB of headers, at most 16 KB',
    ],
    [
      'their number',
      Object.fromEntries(Array.from({ length: 65 }, (_none, n) => [`x-${n}`, 'a'])),
      '65 headers, at most 64',
    ],
  ])('are refused: %s', async (_what, headers, said) => {
    expect(await told(connection({ ...HTTP, headers }))).toEqual([
      `spec.headers: ${said} | Leave out what the server does not need.`,
    ])
  })
})

describe('what nobody could mean', () => {
  const policy = (match: object, stage: object) => ({
    kind: 'Policy',
    name: 'p',
    spec: { rules: [{ name: 'r', match, require: { stages: [stage] } }] },
  })
  const PERSONS = [
    { id: 'lena@x.example', roles: ['lead'] },
    { id: 'max@x.example', roles: ['lead', 'finance'] },
  ]

  function warned(...manifests: object[]): string[] {
    const { documents } = parseDocuments(manifests)
    const known = knownOf(
      documents.map(({ manifest }: Document) => manifest),
      false,
    )
    return warningPlaces(documents, known, PERSONS).map(
      ({ path, message, hint = '' }) => `${path.replace(/^.*\.rules/, 'rules')}: ${message} | ${hint}`,
    )
  }

  it('is warned of: a rule for what is not there', () => {
    expect(
      warned(connection(HTTP), policy({ connection: 'cc', automation: 'nope' }, { roles: ['lead'] })),
    ).toEqual([
      expect.stringMatching(
        /^rules\[0\]\.match\.connection: there is no connection `cc`, so this rule matches nothing/,
      ),
      expect.stringMatching(/^rules\[0\]\.match\.automation: there is no automation `nope`/),
    ])
  })

  it('is warned of: a role that nobody has, a person whom nobody knows, more people than there are', () => {
    expect(warned(policy({}, { roles: ['laed'] }))[0]).toContain('nobody has the role `laed`')
    expect(warned(policy({}, { people: ['ann@x.example'] }))[0]).toContain(
      'nobody is known here as `ann@x.example`',
    )
    expect(warned(policy({}, { roles: ['lead'], quorum: 3 }))[0]).toContain(
      'quorum: is 3, and only 2 people fit',
    )
    const ask = { title: 't', form: { type: 'object' }, of: { roles: ['support'] } }
    expect(warned(step({ ask }))[0]).toContain('nobody has the role `support`')
  })

  it('is none: patterns, and roles that people have', () => {
    expect(warned(policy({ connection: 'bank-*' }, { roles: ['lead'], quorum: 2 }))).toEqual([])
  })
})
