/** What the API needs from outside, handed in by main.ts or by a test. */
import type { FastifyBaseLogger } from 'fastify'
import type { Payloads } from '../codec/payloads.ts'
import type { Database } from '../db/database.ts'
import type { SigningKey, TrustedKey } from '../lib/dsse.ts'
import type { JsonObject } from '../lib/json.ts'
import type { RateLimits } from './plugins/rate-limit.ts'
import type { TemporalAccess } from './temporal.ts'

export interface InspectedTool {
  tool: string
  definitionSha256: string
  inputSchema: JsonObject
}

export interface Inspection {
  tools: InspectedTool[]
  /** What could not be read of the list, and of which schemas nothing can be checked. */
  warnings: { tool: string | null; message: string }[]
}

/** Asks the server of a saved connection, on a worker, what tools it has. Throws coded errors. */
export type InspectTools = (organization: string, connection: string) => Promise<Inspection>

export interface ApiDeps {
  database: Database
  temporal: TemporalAccess
  /** The API's private key: it vouches for who decided. */
  signingKey: SigningKey
  trustedKeys: readonly TrustedKey[]
  inspectTools: InspectTools
  /** Values of histories, for people who look at them. */
  payloads: Payloads
  /** See config.ts. */
  codecToken?: string | undefined
  logger: FastifyBaseLogger
  /** None unless given. */
  limits?: RateLimits
  /** Addresses or networks of proxies whose word on the caller's address is taken. */
  trustedProxies?: readonly string[]
}
