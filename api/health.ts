/** Whether the process lives, and whether it can serve. */
import type { FastifyInstance } from 'fastify'
import type { ApiDeps } from './deps.ts'
import { withPatience } from './temporal.ts'

const CHECK_PATIENCE_MS = 2_000

export function installHealth(app: FastifyInstance, deps: ApiDeps): void {
  app.get('/healthz', { schema: { hide: true } }, async () => ({ ok: true }))
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    const [database, temporal] = await Promise.all([databaseAnswers(deps), temporalAnswers(deps)])
    const ok = database && temporal
    return reply.code(ok ? 200 : 503).send({ ok, database, temporal })
  })
}

/** The pool gives up on a connection after its own time-out. */
export async function databaseAnswers({ database }: Pick<ApiDeps, 'database'>): Promise<boolean> {
  return database.query('select 1').then(
    () => true,
    () => false,
  )
}

export async function temporalAnswers({ temporal }: Pick<ApiDeps, 'temporal'>): Promise<boolean> {
  const { connection, namespace } = temporal
  return withPatience(
    temporal,
    () => connection.workflowService.describeNamespace({ namespace }),
    CHECK_PATIENCE_MS,
  ).then(
    () => true,
    () => false,
  )
}
