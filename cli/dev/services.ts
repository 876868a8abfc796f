/** PostgreSQL and Temporal of the dev stack: those that the environment names, else our own in the data folder. */
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { temporalConnection } from '../../lib/temporal-connection.ts'
import { readConfig } from '../config.ts'
import { prepareDatabase } from './database.ts'
import { ensureDatabase, startPostgres, type Postgres } from '../../scripts/stack/postgres.ts'
import type { Service, Supervisor } from '../../scripts/stack/processes.ts'
import { startTemporal, type Temporal } from '../../scripts/stack/temporal.ts'
import { findTemporalBinary } from '../../scripts/stack/temporal-binary.ts'
import type { Log } from '../../scripts/stack/waiting.ts'
import type { PortWishes } from './ports.ts'

/** Stand for “not named by the environment”. */
const OWN_SERVICES = { DATABASE_URL: 'postgres://own.invalid', TEMPORAL_ADDRESS: 'own.invalid:0' }

export function devConfig(environment: Record<string, string>): Config {
  const { DATABASE_URL_FILE: file = '' } = environment
  return readConfig({}, { ...OWN_SERVICES, ...(file !== '' && { DATABASE_URL: '' }), ...environment })
}

const DATABASE = 'countersign'

type DatabaseAddresses = Pick<Services, 'databaseUrl' | 'apiDatabaseUrl' | 'workerDatabaseUrl'>

export interface ServicePlan {
  dataDir: string
  config: Config
  environment: Record<string, string>
  ports: PortWishes
  /** Of the API, for the Temporal UI. */
  codecEndpoint: string
  log: Log
  supervisor: Supervisor
  /** Throws once we were asked to stop. */
  goOn: () => void
}

export interface Services {
  /** As the owner of the tables. */
  databaseUrl: string
  /** As the API and the worker log in: with the rights that each needs where the server is ours. */
  apiDatabaseUrl: string
  workerDatabaseUrl: string
  temporalAddress: string
  temporalUiUrl: string
  temporalBinary: string | undefined
  pids: Record<string, number>
}

export function temporalDbFileOf(dataDir: string): string {
  return join(dataDir, 'temporal', 'temporal.db')
}

export function isOwnTemporal(config: Config): boolean {
  return config.temporalAddress === OWN_SERVICES.TEMPORAL_ADDRESS
}

/** Both at once. When one fails the other has ended its start, so that it can be stopped. */
export async function startServices(plan: ServicePlan): Promise<Services> {
  const [postgres, temporal] = await Promise.allSettled([startDatabase(plan), startTemporalService(plan)])
  if (postgres.status === 'rejected') throw postgres.reason
  if (temporal.status === 'rejected') throw temporal.reason
  const { server, binary } = temporal.value
  return {
    ...postgres.value.addresses,
    temporalAddress: server.address,
    temporalUiUrl: server.uiUrl ?? plan.config.temporalUiUrl ?? '',
    temporalBinary: binary,
    pids: { ...pidOf('postgres', postgres.value.server.pid), ...pidOf('temporal', server.pid) },
  }
}

async function startDatabase(plan: ServicePlan): Promise<{ server: Postgres; addresses: DatabaseAddresses }> {
  const { config, log } = plan
  const isOwn = config.databaseUrl === OWN_SERVICES.DATABASE_URL
  const server = await supervise(plan, 'PostgreSQL', () =>
    startPostgres({
      dataDir: join(plan.dataDir, 'postgres'),
      databaseUrl: isOwn ? undefined : config.databaseUrl,
      log,
    }),
  )
  const { url } = server
  if (!isOwn) return { server, addresses: { databaseUrl: url, apiDatabaseUrl: url, workerDatabaseUrl: url } }
  return { server, addresses: await prepareDatabase(await ensureDatabase(url, DATABASE), plan.dataDir) }
}

async function startTemporalService(
  plan: ServicePlan,
): Promise<{ server: Temporal; binary: string | undefined }> {
  const { config, ports, log, environment } = plan
  const isOwn = isOwnTemporal(config)
  const binary = isOwn ? (await findTemporalBinary({ env: environment, log })).path : undefined
  const server = await supervise(plan, 'Temporal', () =>
    startTemporal({
      address: isOwn ? undefined : config.temporalAddress,
      connection: isOwn ? undefined : temporalConnection(config),
      binary,
      dbFile: temporalDbFileOf(plan.dataDir),
      port: ports.temporalPort || undefined,
      uiPort: ports.uiPort || undefined,
      codecEndpoint: plan.codecEndpoint,
      namespaces: [config.temporalNamespace],
      log,
    }),
  )
  return { server, binary }
}

/** Known to the supervisor from the first moment: who is asked to stop meanwhile waits for the start, and stops it. */
async function supervise<Started extends Omit<Service, 'name'>>(
  { supervisor, log, goOn }: ServicePlan,
  name: string,
  start: () => Promise<Started>,
): Promise<Started> {
  goOn()
  log(`starting ${name}`)
  const starting = start()
  supervisor.add({
    name,
    stop: () =>
      starting.then(
        (started) => started.stop(),
        // It never ran; whoever started it hears why.
        () => undefined,
      ),
  })
  return starting
}

function pidOf(name: string, pid: number | undefined): Record<string, number> {
  return pid === undefined ? {} : { [name]: pid }
}
