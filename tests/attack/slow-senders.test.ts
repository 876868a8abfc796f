/**
 * The attacker has no key, and time: he opens connections, sends a part of a request, and waits. Each connection is a file
 * descriptor of the API. In one test he has a key of ours, and is as slow.
 */
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REQUEST_LIMITS } from '../../api/connections.ts'
import { whileCollecting } from '../support/garbage.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ worker: false })
})

afterAll(() => world.close())

interface Slow {
  received: string
  /** Milliseconds after the connection was made; of a connection that we had to give up on, null. */
  closedAfterMs: number | null
}

/** Sends the text, then nothing any more, and waits until the other side closes. */
function sendAndWait(text: string, patienceMs: number): Promise<Slow> {
  const { hostname, port } = new URL(world.apiUrl)
  return new Promise((resolve, reject) => {
    const startedMs = performance.now()
    let received = ''
    const socket: Socket = connect({ host: hostname, port: Number(port) }, () => socket.write(text))
    const timer = setTimeout(() => {
      resolve({ received, closedAfterMs: null })
      socket.destroy()
    }, patienceMs)
    socket.on('data', (chunk) => (received += chunk.toString()))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ received, closedAfterMs: performance.now() - startedMs })
    })
  })
}

function post(path: string, headers: string[] = []): string {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'Host: api',
    'Content-Type: application/json',
    'Content-Length: 1000',
  ]
  return [...lines, ...headers, '', '{"type":'].join('\r\n')
}

/** Far below every limit of time, and far above what an answer takes. */
const AT_ONCE_MS = REQUEST_LIMITS.headersTimeoutMs / 2
const SLACK_MS = 15_000

describe('whoever has no key is answered before the body, and the connection is closed,', () => {
  test.each([
    '/v1/manifests',
    '/api/trigger-callback',
    '/api/acme/trigger-callback',
    '/codec/decode',
    '/codec/open/guessed/decode',
    '/nowhere',
  ])('at %s', async (path) => {
    const many = await Promise.all(Array.from({ length: 20 }, () => sendAndWait(post(path), AT_ONCE_MS)))
    for (const { received, closedAfterMs } of many) {
      expect(closedAfterMs, `still open; received: ${received}`).not.toBeNull()
      expect(received).toMatch(/^HTTP\/1\.1 40[14] /)
    }
  })
})

test('whoever sends all of a large body without a key gets the answer, and not a broken connection', async () => {
  for (const path of ['/v1/manifests', '/api/trigger-callback']) {
    const body = JSON.stringify({ type: 'x'.repeat(900_000) })
    const headers = { 'content-type': 'application/json', authorization: 'Bearer wrong' }
    const response = await fetch(`${world.apiUrl}${path}`, { method: 'POST', headers, body })
    expect(response.status).toBe(401)
  }
})

describe.concurrent(
  'a connection is closed on which',
  () => {
    test('the head of a request does not come to its end', async () => {
      const patienceMs = REQUEST_LIMITS.headersTimeoutMs + SLACK_MS
      const { closedAfterMs } = await sendAndWait('GET /healthz HTTP/1.1\r\nHost: api\r\n', patienceMs)
      expect(closedAfterMs, 'still open').not.toBeNull()
    })

    test('nothing comes', async () => {
      const { closedAfterMs } = await sendAndWait('', REQUEST_LIMITS.headersTimeoutMs + SLACK_MS)
      expect(closedAfterMs, 'still open').not.toBeNull()
    })

    test('a body does not come to its end, whoever sends it', async () => {
      const authorization = `Authorization: Bearer ${world.adminKey}`
      const patienceMs = REQUEST_LIMITS.requestTimeoutMs + SLACK_MS
      const { received, closedAfterMs } = await sendAndWait(
        post('/v1/manifests', [authorization]),
        patienceMs,
      )
      expect(closedAfterMs, `still open; received: ${received}`).not.toBeNull()
      expect(received).toMatch(/^HTTP\/1\.1 408 /)
    })
  },
  60_000,
)

test('a call that waits for its answer for longer than that gets it', async () => {
  const steps = [{ name: 'answer', return: 1 }]
  await world.admin.applyManifests({ manifests: [{ kind: 'Automation', name: 'idle', spec: { steps } }] })
  const { run_id } = await world.admin.startRun({ name: 'idle' })
  const { version } = await world.admin.watchRun({ run_id, wait: 0 })
  const wait = REQUEST_LIMITS.requestTimeoutMs / 1_000 + 5
  const startedMs = performance.now()
  const seen = await whileCollecting(world.admin.watchRun({ run_id, after: version, wait }))
  expect(seen.version).toBe(version)
  expect(performance.now() - startedMs).toBeGreaterThan(REQUEST_LIMITS.requestTimeoutMs)
}, 60_000)
