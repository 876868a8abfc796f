/** An API over the run's own PostgreSQL and Temporal: a database and a task queue of its own, no worker. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { expect, inject } from 'vitest'
import { buildApp } from '../../api/app.ts'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import type { ApiDeps, InspectTools } from '../../api/deps.ts'
import type { RateLimits } from '../../api/plugins/rate-limit.ts'
import { createTemporalAccess } from '../../api/temporal.ts'
import { dataConverterOf } from '../../codec/data-converter.ts'
import type { EncryptionKeys } from '../../codec/encryption.ts'
import { createPayloads } from '../../codec/payloads.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { ensureKeys, loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { ERRORS } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { errorsOf, type Operation } from '../../schemas/operations/operation.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { addressFor, prepareDatabase } from '../support/logins.ts'

export interface TestApi {
  app: FastifyInstance
  deps: ApiDeps
  database: Database
  client: Client
  taskQueue: string
  adminKey: string
  call: (request: TestRequest) => Promise<TestAnswer>
  close: () => Promise<void>
}

export interface TestRequest {
  method?: 'GET' | 'POST' | 'DELETE'
  url: string
  /** Sent as JSON, a text as it is. */
  body?: unknown
  /** The admin's unless given; null for none. */
  key?: string | null
  headers?: Record<string, string>
}

export interface TestAnswer {
  status: number
  headers: Record<string, unknown>
  body: Record<string, unknown>
}

export interface TestApiOptions {
  inspectTools?: InspectTools
  encryption?: EncryptionKeys
  codecToken?: string
  /** Another one than the run's, such as a dead port. */
  temporalAddress?: string
  databaseUrl?: string
  limits?: RateLimits
  /** None if empty. */
  temporalUiUrl?: string
}

const noTools: InspectTools = async () => ({ tools: [], warnings: [] })

export async function createTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const suffix = randomBytes(6).toString('hex')
  const folder = mkdtempSync(path.join(os.tmpdir(), 'countersign-api-'))
  ensureKeys(folder)
  const databaseUrl = await ensureDatabase(inject('databaseUrl'), `api_${suffix}`)
  const setupDatabase = createDatabase(databaseUrl)
  await prepareDatabase(databaseUrl)
  const { key } = await bootstrapOrganization(setupDatabase, {
    organization: 'acme',
    admin: 'ops@example.org',
  })
  const database = createDatabase(options.databaseUrl ?? addressFor('api', databaseUrl))
  const connection = Connection.lazy({ address: options.temporalAddress ?? inject('temporalAddress') })
  const payloads = createPayloads({ database, encryption: options.encryption })
  const client = new Client({ connection, dataConverter: dataConverterOf(payloads, options) })
  const logger = pino({ level: 'silent' })
  const taskQueue = `api-${suffix}`
  const deps: ApiDeps = {
    database,
    temporal: createTemporalAccess({
      client,
      connection,
      namespace: 'default',
      taskQueue,
      uiUrl: options.temporalUiUrl ?? 'http://127.0.0.1:8233',
      logger,
    }),
    signingKey: loadSigningKey(folder, 'decision'),
    trustedKeys: loadTrustedKeys(publicKeysFile(folder)),
    inspectTools: options.inspectTools ?? noTools,
    payloads,
    codecToken: options.codecToken,
    logger,
    ...(options.limits ? { limits: options.limits } : {}),
  }
  const app = await buildApp(deps)
  const undocumented = watchStatuses(app)
  return {
    app,
    deps,
    database: setupDatabase,
    client,
    taskQueue,
    adminKey: key,
    call: (request) => callApp(app, key, request),
    close: async () => {
      await app.close()
      expect(undocumented, 'answers that the description does not have').toEqual([])
      await connection.close()
      await Promise.all([setupDatabase.end(), database.end()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Answers of operations with a status that their description does not have, as they come. */
function watchStatuses(app: FastifyInstance): string[] {
  const undocumented: string[] = []
  app.addHook('onResponse', async (request, reply) => {
    const name = (request.routeOptions.schema as { operationId?: string } | undefined)?.operationId
    const operation = name && (OPERATIONS as Record<string, Operation>)[name]
    if (!operation) return
    const successes = [operation.status ?? 200, operation.alternative?.status]
    const documented = [...successes, ...errorsOf(operation).map((code) => ERRORS[code].status)]
    if (!documented.includes(reply.statusCode)) undocumented.push(`${operation.name}: ${reply.statusCode}`)
  })
  return undocumented
}

async function callApp(app: FastifyInstance, adminKey: string, request: TestRequest): Promise<TestAnswer> {
  const { method = 'GET', url, body, key = adminKey, headers = {} } = request
  const response = await app.inject({
    method,
    url,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.statusCode, headers: response.headers, body: response.json() }
}

/** Number of rows in a table. */
export async function countRows(database: Database, table: string): Promise<number> {
  const { rows } = await database.query<{ count: string }>(`select count(*) from ${table}`)
  return Number(rows[0]?.count)
}

/** An automation that needs no server: it returns a value. */
export function returningAutomation(name: string, spec: Record<string, unknown> = {}) {
  return {
    kind: 'Automation',
    name,
    spec: { steps: [{ name: 'answer', return: '${{ input }}' }], ...spec },
  }
}

export const billingConnection = {
  kind: 'Connection',
  name: 'billing',
  spec: { type: 'mcp', transport: 'http', url: 'http://127.0.0.1:9/mcp', allow_private_addresses: true },
}

/** The callback token of a connection. */
export async function triggerToken(api: TestApi, connection: string): Promise<string> {
  const principal = { id: `connection/${connection}`, kind: 'service' }
  const { body } = await api.call({
    method: 'POST',
    url: '/v1/keys',
    body: { principal, scopes: ['trigger'] },
  })
  return String(body['key'])
}
