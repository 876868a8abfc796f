/** Puts the API together. It opens no socket and no connection: main.ts and tests hand in what it needs. */
import fastify, { type FastifyInstance } from 'fastify'
import { serializerCompiler } from 'fastify-type-provider-zod'
import { BODY_LIMIT_BYTES, installJsonBodies } from './body.ts'
import { installCodec } from './codec.ts'
import { CONNECTION_OPTIONS, installConnectionLimits } from './connections.ts'
import type { ApiDeps } from './deps.ts'
import { installDrain } from './drain.ts'
import { installHealth } from './health.ts'
import { installOperations, validatorCompiler } from './http.ts'
import { newId } from './ids.ts'
import { installOpenApi } from './openapi.ts'
import { IMPLEMENTATIONS } from './operations/index.ts'
import { installAuthentication } from './plugins/authentication.ts'
import { answerError, installProblems } from './plugins/problems.ts'
import { createRunWatchers } from './run-watchers.ts'
import { installTriggerCallback } from './trigger-callback.ts'

/** Writeback ids with their steps are long, and longer when encoded. */
const MAX_PARAMETER_LENGTH = 500

export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger,
    bodyLimit: BODY_LIMIT_BYTES,
    genReqId: () => newId('req'),
    requestIdHeader: false,
    trustProxy: deps.trustedProxies?.length ? [...deps.trustedProxies] : false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    // A request that is under way when we are asked to stop is finished; the next one goes to another process.
    forceCloseConnections: 'idle',
    ...CONNECTION_OPTIONS,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.addHook('onSend', async (request, reply) => {
    void reply.header('x-request-id', request.id)
  })
  installConnectionLimits(app)
  installDrain(app)
  installProblems(app)
  installJsonBodies(app)
  installAuthentication(app)
  await installOpenApi(app)
  installHealth(app, deps)
  const watchers = createRunWatchers(deps)
  app.addHook('preClose', (done) => {
    watchers.close()
    done()
  })
  installOperations(app, { ...deps, watchers }, IMPLEMENTATIONS)
  await installTriggerCallback(app, deps)
  await installCodec(app, deps)
  return app
}
