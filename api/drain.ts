/**
 * Closing without waiting for clients that keep their connection: what is under way when we are asked to stop is answered
 * with `connection: close`, and a connection that became idle in the very moment is closed a little later. Without this
 * the server would wait for as long as the client keeps it open.
 */
import type { FastifyInstance } from 'fastify'

const SWEEP_MS = 100

export function installDrain(app: FastifyInstance): void {
  let sweeping: NodeJS.Timeout | undefined
  app.addHook('preClose', (done) => {
    sweeping = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
    done()
  })
  app.addHook('onSend', async (_request, reply) => {
    if (sweeping) void reply.header('connection', 'close')
  })
  app.addHook('onClose', async () => clearInterval(sweeping))
}
