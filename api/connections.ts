/**
 * How long, and how many, connections may be open that give nothing: each is a file descriptor, and whoever opens one has
 * proven nothing yet. An answer may take as long as it takes: these bound what the other side sends.
 */
import type { Server } from 'node:http'
import type { FastifyHttpOptions, FastifyInstance } from 'fastify'

export const REQUEST_LIMITS = {
  /** From the connection, or the end of the request before, until the last header. */
  headersTimeoutMs: 10_000,
  /** The same until the end of the body, which has at most 1 MB. */
  requestTimeoutMs: 20_000,
  /** How long a body is still read, and thrown away, that came with a refused request: else its sender misses the answer. */
  lingerMs: 2_000,
  /** At once. Beyond it a new connection is closed, so that the database and Temporal keep their own. */
  connections: 4_000,
} as const

/** How often connections are looked at; by so much later they are closed. */
const CHECK_INTERVAL_MS = 2_000

export const CONNECTION_OPTIONS = {
  requestTimeout: REQUEST_LIMITS.requestTimeoutMs,
  http: {
    headersTimeout: REQUEST_LIMITS.headersTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
  },
} satisfies FastifyHttpOptions<Server>

export function installConnectionLimits(app: FastifyInstance): void {
  app.server.maxConnections = REQUEST_LIMITS.connections
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.complete) return
    const timer = setTimeout(() => raw.destroy(), REQUEST_LIMITS.lingerMs).unref()
    raw.once('close', () => clearTimeout(timer))
    raw.resume()
  })
}
