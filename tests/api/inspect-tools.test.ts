/** Asking a worker for the tools of a connection, where nobody can be asked: that is told soon, and as what it is. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createInspectTools } from '../../api/inspect-tools.ts'
import { createTestApi, type TestApi } from './support.ts'

/** Half of what the work itself may take: nobody should wait for that to learn that there is nobody. */
const SOON_MS = 15_000

let api: TestApi
let away: TestApi
beforeAll(async () => {
  api = await createTestApi()
  away = await createTestApi({ temporalAddress: '127.0.0.1:1' })
})
afterAll(() => Promise.all([api.close(), away.close()]))

it('says that nobody works on the task queue, with its name', { timeout: SOON_MS }, async () => {
  await expect(createInspectTools(api.deps.temporal)('acme', 'billing')).rejects.toMatchObject({
    code: 'CONNECTION_NOT_READY',
    message: expect.stringContaining(`Nobody works on task queue ${api.taskQueue}.`) as string,
  })
})

it('says that Temporal is away, and does not ask about workers', { timeout: SOON_MS }, async () => {
  const { temporal } = away.deps
  const inspecting = () => createInspectTools(temporal)('acme', 'billing')
  await expect(inspecting()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'Temporal does not answer.',
  })
  temporal.presence.note(false)
  const startedMs = performance.now()
  await expect(inspecting()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(performance.now() - startedMs).toBeLessThan(500)
})
