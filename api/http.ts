/** Renders the table of operations as Fastify routes, and with them the OpenAPI description. */
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  FastifySchemaCompiler,
} from 'fastify'
import { z } from 'zod'
import { IdempotencyKeySchema, type Operation } from '../schemas/operations/operation.ts'
import { placesOf } from '../lib/zod-places.ts'
import { sentenceOf } from '../lib/zod-sentences.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { CodedError } from '../schemas/errors.ts'
import { PlacedError } from './errors.ts'
import { problemResponses } from './openapi/problems.ts'
import type {
  Implementation,
  OperationDeps,
  OperationRequest,
  UncheckedRequest,
} from './operations/implement.ts'
import { principalOf, requireScope } from './plugins/authentication.ts'

const headersSchema = (description: string) =>
  z.looseObject({ 'idempotency-key': IdempotencyKeySchema.optional().describe(description) })

export function installOperations(
  app: FastifyInstance,
  deps: OperationDeps,
  implementations: readonly Implementation[],
): void {
  for (const { operation, handle, moreFaults } of implementations) {
    app.route({
      method: operation.method,
      url: operation.path,
      schema: routeSchema(operation),
      // Told together with all else that is wrong: see body.ts.
      attachValidation: true,
      ...(moreFaults ? { config: { moreFaults: (request) => faultsOf(moreFaults, deps, request) } } : {}),
      onRequest: requireScope(deps, operation.scope),
      handler: async (request, reply) => {
        void reply.code(operation.status ?? 200)
        return handle(deps, toOperationRequest(operation, request, reply))
      },
    })
  }
}

/** The operation's own errors say nothing of places, and what is wrong with the form comes first. */
async function faultsOf(
  moreFaults: NonNullable<Implementation['moreFaults']>,
  deps: OperationDeps,
  request: FastifyRequest,
): Promise<readonly ProblemPlace[]> {
  const { params, body } = request
  const asked: UncheckedRequest = {
    params: params as UncheckedRequest['params'],
    body: typeof body === 'object' && body !== null ? (body as UncheckedRequest['body']) : {},
    principal: principalOf(request),
  }
  try {
    return await moreFaults(deps, asked)
  } catch (error) {
    if (error instanceof CodedError) return []
    throw error
  }
}

function toOperationRequest(
  operation: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
): OperationRequest<Operation> {
  const key = request.headers['idempotency-key']
  return {
    params: request.params as OperationRequest<Operation>['params'],
    query: request.query as OperationRequest<Operation>['query'],
    body: request.body as OperationRequest<Operation>['body'],
    principal: principalOf(request),
    signal: request.signal,
    idempotencyKey: typeof key === 'string' ? key : undefined,
    useAlternative: () => {
      if (operation.alternative) void reply.code(operation.alternative.status)
    },
  }
}

/** What is wrong with a request, all of it at once, with its place. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const prefix = httpPart === 'body' || httpPart === undefined ? '' : `(${httpPart})`
  return (value: unknown) => {
    const parsed = schema.safeParse(value, { error: sentenceOf })
    if (parsed.success) return { value: parsed.data }
    return { error: new PlacedError('INVALID_INPUT', placesOf(prefix, parsed.error.issues)) }
  }
}

function routeSchema(operation: Operation): FastifySchema {
  const { params, query, body, idempotencyKey } = operation
  return {
    operationId: operation.name,
    summary: operation.summary,
    tags: [operation.path.split('/')[2] ?? 'v1'],
    security: [{ key: [operation.scope] }],
    ...(params ? { params } : {}),
    ...(query ? { querystring: query } : {}),
    ...(body ? { body } : {}),
    ...(idempotencyKey === undefined ? {} : { headers: headersSchema(idempotencyKey) }),
    response: {
      [operation.status ?? 200]: jsonResponse(operation.output, 'Done.'),
      ...(operation.alternative
        ? {
            [operation.alternative.status]: jsonResponse(operation.output, operation.alternative.description),
          }
        : {}),
      ...problemResponses(operation),
    },
  }
}

function jsonResponse(schema: z.ZodType, description: string) {
  return { description, content: { 'application/json': { schema } } }
}
