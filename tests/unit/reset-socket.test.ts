/** A socket that is given up is closed, whatever it was doing. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { resetSocket } from '../../lib/resetting-agent.ts'

it('closes one that is just ending its side', { timeout: 5_000 }, async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.unref()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  client.end()
  const closed = once(client, 'close')
  resetSocket(client)
  await closed
  expect(client.destroyed).toBe(true)
  server.close()
})
