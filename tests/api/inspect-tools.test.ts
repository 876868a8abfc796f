/** Asking a worker for the tools of a connection, where nobody can be asked: that is told soon, and as what it is. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
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
  const said = inspecting().then(
    () => 'inspected',
    (error: { code: string }) => error.code,
  )
  // In the same turn: it has asked nobody.
  expect(await Promise.race([said, setImmediate('asking')])).toBe('UNAVAILABLE')
})

it('is told by the doctor of a Temporal that says nothing, in words and not in those of gRPC', async () => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const deaf = await createTestApi({ temporalAddress: `127.0.0.1:${port}` })
  try {
    const { body } = await deaf.call({ url: '/v1/health/details' })
    const checks = body['checks'] as { name: string; summary: string; action: string }[]
    expect(checks.find(({ name }) => name === 'temporal')).toMatchObject({
      status: 'fail',
      summary: 'It could not be checked: Temporal does not answer in time.',
      action: expect.stringContaining('TEMPORAL_ADDRESS') as string,
    })
    expect(JSON.stringify(body)).not.toMatch(/DEADLINE|deadline/)
  } finally {
    for (const socket of sockets) socket.destroy()
    silent.close()
    await deaf.close()
  }
})
