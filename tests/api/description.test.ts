import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXAMPLES } from '../../api/openapi/examples/index.ts'
import type { Description } from '../../api/openapi/document.ts'
import { ERRORS } from '../../schemas/errors.ts'
import { OPERATIONS, type OperationName } from '../../schemas/operations.ts'
import { errorsOf, type Operation } from '../../schemas/operations/operation.ts'
import { createTestApi, type TestApi } from './support.ts'

let api: TestApi
let description: Description
beforeAll(async () => {
  api = await createTestApi()
  description = (await api.app.inject('/openapi.json')).json()
})
afterAll(() => api.close())

const NAMES = Object.keys(OPERATIONS) as OperationName[]

function described(name: OperationName) {
  const all = Object.values(description.paths).flatMap((path) => Object.values(path))
  const found = all.find(({ operationId }) => operationId === name)
  if (!found) throw new Error(`${name} is not described`)
  return found
}

describe.each(NAMES)('%s', (name) => {
  it('has examples that fit its own schemas, and shows them', () => {
    const operation: Operation = OPERATIONS[name]
    const example: Record<string, unknown> = EXAMPLES[name]
    for (const part of ['params', 'query', 'body', 'output'] as const) {
      const problems = operation[part]?.safeParse(example[part] ?? {}).error?.issues
      expect(problems, part).toBeUndefined()
    }
    const { requestBody, responses, parameters = [] } = described(name)
    expect(responses[operation.status ?? 200]?.content?.['application/json']?.example).toBeDefined()
    if (operation.body) expect(requestBody?.content['application/json']?.example).toBeDefined()
    for (const parameter of parameters.filter(({ required }) => required)) {
      expect(parameter.example, parameter.name).toBeDefined()
    }
  })

  it('documents every status it can answer, each with its codes and what to do', () => {
    const operation: Operation = OPERATIONS[name]
    const { responses } = described(name)
    const successes = [operation.status ?? 200, operation.alternative?.status].filter(Boolean)
    const refusals = errorsOf(operation).map((code) => ERRORS[code].status)
    expect(Object.keys(responses).toSorted()).toEqual(
      [...new Set([...successes, ...refusals])].map(String).toSorted(),
    )
    const headers = (described(name).parameters ?? []).filter((each) => each.in === 'header')
    expect(headers.map(({ description: text }) => text)).toEqual(
      operation.idempotencyKey === undefined ? [] : [operation.idempotencyKey],
    )
    for (const code of errorsOf(operation)) {
      const media = responses[ERRORS[code].status]?.content?.['application/problem+json']
      expect(media?.examples?.[code]?.value).toMatchObject({ code, hint: ERRORS[code].hint })
    }
  })
})

it('the operations that look at an Idempotency-Key, and no others, say so', () => {
  const saying = Object.values<Operation>(OPERATIONS).filter(
    ({ idempotencyKey }) => idempotencyKey !== undefined,
  )
  expect(saying.map(({ name }) => name)).toEqual([
    'startRun',
    'decideApproval',
    'answerAsk',
    'createTicket',
    'resolveWriteback',
    'createResolutionTicket',
  ])
})

describe('the reference page', () => {
  it('needs nothing from elsewhere, and has every operation with its example', async () => {
    const page = await api.app.inject('/docs')
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-type']).toContain('text/html')
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(page.body).not.toMatch(/<script|<link|<img|src=|url\(|@import/)
    expect(page.body).not.toMatch(/href="(?!#|\/openapi\.json)/)
    for (const name of NAMES) expect(page.body).toContain(`id="${name}"`)
    expect(page.body).toContain('AUTOMATION_PAUSED')
  })
})

describe('a method that a path does not have', () => {
  it.each([
    ['DELETE', '/v1/runs', 'GET, HEAD'],
    ['POST', '/v1/runs/run_1', 'GET, HEAD'],
    ['PUT', '/v1/automations/x/pause', 'POST'],
    ['PATCH', '/healthz', 'GET, HEAD'],
  ] as const)('%s %s is refused with those it has', async (method, url, allow) => {
    const answer = await api.app.inject({
      method,
      url,
      payload: 'x',
      headers: { 'content-type': 'text/plain' },
    })
    expect(answer.statusCode).toBe(405)
    expect(answer.headers['allow']).toBe(allow)
    expect(answer.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED', hint: expect.any(String) as unknown })
  })

  it('on a path that nothing has is not found, whatever else is wrong', async () => {
    const headers = { 'content-type': 'text/plain' }
    const answer = await api.app.inject({ method: 'POST', url: '/v1/nowhere', payload: 'x', headers })
    expect(answer.json()).toMatchObject({ status: 404, code: 'NOT_FOUND' })
  })
})
