/**
 * The attacker is a tenant whose run hands one value of some megabytes to a tool in many steps. Each write has a receipt
 * with all that it was given, so that the receipts of one run are hundreds of megabytes together. Whoever looks at the run,
 * or gets its receipts, would keep everybody else of the API waiting.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { verifyExport } from '../../lib/receipts.ts'
import { createClient, receiptsOf } from '../../sdk/client/index.ts'
import { largeWrites } from '../support/automations.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'

const MB = 1024 * 1024
const MOST_BYTES = 6 * MB
const WRITES = 4

let s: Scenario
let run: StartedRun

beforeAll(async () => {
  s = await startScenario()
  for (const tool of s.server.tools) tool.run = () => ({ content: [{ type: 'text', text: 'ok' }] })
  await s.define('large', largeWrites(WRITES), { allow: true })
  run = await s.start('large')
  await s.world.temporal.workflow.getHandle(run.workflowId).result()
}, 180_000)
afterAll(() => s.close())

interface Answer {
  status: number
  bytes: number
  body: {
    receipts?: { seq: number }[]
    items: { seq: number }[]
    next_cursor: string | null
    code?: string
  }
}

async function get(path: string, key = s.world.adminKey): Promise<Answer> {
  const response = await fetch(`${s.world.apiUrl}${path}`, { headers: { authorization: `Bearer ${key}` } })
  const text = await response.text()
  return { status: response.status, bytes: text.length, body: JSON.parse(text) as Answer['body'] }
}

async function pagesOf(path: string): Promise<Answer[]> {
  const pages: Answer[] = []
  for (let cursor = ''; ;) {
    const page = await get(`${path}?limit=100${cursor}`)
    pages.push(page)
    if (page.body.next_cursor === null) return pages
    cursor = `&cursor=${page.body.next_cursor}`
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

describe('a page', () => {
  test.each(['of a run', 'of all runs'])(
    'of the receipts %s ends early where they are too large',
    async (what) => {
      const pages = await pagesOf(what === 'of a run' ? `/v1/runs/${run.runId}/receipts` : '/v1/receipts')
      for (const { bytes } of pages) expect(bytes).toBeLessThan(MOST_BYTES)
      const shown = pages.flatMap(({ body }) => (body.receipts ?? body.items).map(({ seq }) => seq))
      expect(shown.toSorted((a, b) => a - b)).toEqual(numbers(WRITES))
      expect(pages.length).toBe(WRITES)
    },
  )

  test('of the receipts of a run belongs to that run, and to who may read it', async () => {
    const { body } = await get(`/v1/runs/${run.runId}/receipts?limit=${WRITES - 1}`)
    const cursor = `cursor=${body.next_cursor}`
    const other = run.runId.replace(/.{4}$/, '0000')
    expect(await get(`/v1/runs/${other}/receipts?${cursor}`)).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT' },
    })
    const rival = await bootstrapOrganization(s.world.database, {
      organization: 'rival',
      admin: 'r@rival.example',
    })
    expect(await get(`/v1/runs/${run.runId}/receipts?${cursor}`, rival.key)).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND' },
    })
  })
})

test('a run mentions its receipts, and does not hold what they say', async () => {
  const { bytes, body } = await get(`/v1/runs/${run.runId}`)
  expect(bytes).toBeLessThan(MOST_BYTES)
  expect(body.receipts?.map(({ seq }) => seq)).toEqual(numbers(WRITES))
  expect(JSON.stringify(body.receipts).length).toBeLessThan(WRITES * 400)
})

test('all pages together, with the head of the last, verify; without one of them they do not', async () => {
  const client = createClient({ baseUrl: s.world.apiUrl, apiKey: s.world.adminKey })
  const { receipts, signed_head } = await receiptsOf(client, run.runId)
  const envelopes = receipts.map(({ envelope }) => envelope)
  const keys = loadTrustedKeys(publicKeysFile(s.world.keysFolder))
  const problemsOf = (kept: typeof envelopes) =>
    verifyExport(kept, keys, signed_head, { id: run.runId }).problems
  expect(problemsOf(envelopes)).toEqual([])
  for (const left of envelopes)
    expect(problemsOf(envelopes.filter((envelope) => envelope !== left))).not.toEqual([])
})
