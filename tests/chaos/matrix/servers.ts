/**
 * The servers of a stack that keep data. Each can be killed and started again on the same data, stand still, and go back
 * to an earlier state: as a whole, or because a standby takes over that lacks what came last.
 */
import path from 'node:path'
import { ensureDatabase, startPostgres, type Postgres } from '../../../scripts/stack/postgres.ts'
import { startTemporal } from '../../../scripts/stack/temporal.ts'
import { endServersOf, makeTestFolder, removeTestFolder, type TestFolder } from '../../stack/test-folder.ts'
import { freeze, thaw } from '../../support/freeze.ts'
import {
  copyTemporalStore,
  cutOffStandby,
  promoteStandby,
  restoreBaseBackup,
  restoreTemporalStore,
  startStandby,
  takeBaseBackup,
  untilCaughtUp,
  type RunningPostgres,
} from '../../support/restores.ts'

const quiet = (): void => undefined
const DATABASE = 'chaos'

export interface KeepingServer {
  /** It changes when the server starts again. */
  url(): string
  kill(): void
  start(): Promise<void>
  freeze(): void
  thaw(): void
  /** While it runs. Gives the place of the backup. */
  backUp(): Promise<string>
  /** Stops it and puts the backup in the place of its data; `start` comes after. */
  restore(backup: string): Promise<void>
  close(): Promise<void>
}

export interface DatabaseServer extends KeepingServer {
  /** A standby that follows, and from now on gets nothing any more. */
  leaveStandbyBehind(): Promise<void>
  /** In the place of the primary, which was killed. */
  promote(): Promise<void>
}

export async function startDatabaseServer(): Promise<DatabaseServer> {
  const places = placesToClean()
  let folder = places.make()
  const launch = (): Promise<Postgres> =>
    startPostgres({ dataDir: folder.postgresDir, throwaway: true, log: quiet })
  let server = await launch()
  let url = await ensureDatabase(server.url, DATABASE)
  let standby: { server: Postgres; folder: TestFolder } | undefined
  return {
    url: () => url,
    kill: () => process.kill(pidOf(server), 'SIGKILL'),
    start: async () => {
      server = await launch()
      url = await ensureDatabase(server.url, DATABASE)
    },
    freeze: () => freeze(pidOf(server)),
    thaw: () => thaw(pidOf(server)),
    backUp: async () => {
      const backup = places.make().postgresDir
      await takeBaseBackup(runningOf(server), backup)
      return backup
    },
    restore: async (backup) => {
      await server.stop()
      await restoreBaseBackup(backup, runningOf(server).dataDir)
    },
    leaveStandbyBehind: async () => {
      const place = places.make()
      standby = { server: await startStandby(runningOf(server), place.postgresDir), folder: place }
      await untilCaughtUp(server, standby.server)
      await cutOffStandby(standby.server)
    },
    promote: async () => {
      if (!standby) throw new Error('there is no standby')
      await promoteStandby(standby.server)
      ;({ server, folder } = standby)
      url = await ensureDatabase(server.url, DATABASE)
    },
    close: places.clean,
  }
}

export async function startTemporalServer(binary: string): Promise<KeepingServer> {
  const places = placesToClean()
  const { folder, temporalDbFile: dbFile } = places.make()
  const launch = () => startTemporal({ binary, dbFile, log: quiet })
  let server = await launch()
  let backups = 0
  return {
    url: () => `tcp://${server.address}`,
    kill: () => process.kill(pidOf(server), 'SIGKILL'),
    start: async () => void (server = await launch()),
    freeze: () => freeze(pidOf(server)),
    thaw: () => thaw(pidOf(server)),
    backUp: async () => {
      const backup = path.join(folder, `backup-${++backups}.db`)
      await copyTemporalStore({ pid: pidOf(server), dbFile }, backup)
      return backup
    },
    restore: async (backup) => {
      await server.stop()
      restoreTemporalStore(backup, dbFile)
    },
    close: places.clean,
  }
}

/** Folders that are removed with the servers in them, also if this process is ended. */
function placesToClean(): { make(): TestFolder; clean(): Promise<void> } {
  const places: TestFolder[] = []
  const onExit = (): void => places.forEach(({ folder }) => endServersOf(folder))
  process.once('exit', onExit)
  return {
    make: () => {
      const place = makeTestFolder()
      places.push(place)
      return place
    },
    clean: async () => {
      process.off('exit', onExit)
      await Promise.all(places.map(({ folder }) => removeTestFolder(folder)))
    },
  }
}

function pidOf({ pid }: { pid: number | undefined }): number {
  if (pid === undefined) throw new Error('a server that we did not start is left alone')
  return pid
}

function runningOf({ url, dataDir }: Postgres): RunningPostgres {
  if (dataDir === undefined) throw new Error('a server that we did not start is left alone')
  return { url, dataDir }
}
