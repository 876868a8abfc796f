/**
 * Loopback ports. A free port is only free at the moment of asking: whoever binds it must be able to fail and retry.
 */
import { createServer } from 'node:net'

export const LOOPBACK = '127.0.0.1'

/** The wished port if it is free, else any free one. */
export async function choosePort(wished?: number): Promise<number> {
  if (wished !== undefined && (await tryBind(wished)) !== undefined) return wished
  const port = await tryBind(0)
  if (port === undefined) throw new Error('No free port on the loopback interface.')
  return port
}

function tryBind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : undefined
      server.close(() => resolve(bound))
    })
  })
}
