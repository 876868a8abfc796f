/**
 * A PostgreSQL and a Temporal server of one test file's own, which may be killed, restored and failed over, unlike those
 * of the test run. Whoever uses them stays connected to one address, as behind the name that operators move.
 */
import * as fs from 'node:fs'
import path from 'node:path'
import { inject } from 'vitest'
import { ensureLogin } from '../../scripts/stack/database-roles.ts'
import { startPostgres, type Postgres } from '../../scripts/stack/postgres.ts'
import { startTemporal, type Temporal } from '../../scripts/stack/temporal.ts'
import { endServersOf, makeTestFolder, removeTestFolder, type TestFolder } from '../stack/test-folder.ts'
import { LOGINS } from './logins.ts'
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
} from './restores.ts'
import { startTcpProxy } from './tcp-proxy.ts'

const quiet = (): void => undefined

export interface OwnPostgres {
  /** Superuser and maintenance database, at an address that stays. */
  url: string
  /** While it runs. Gives the place of the backup. */
  backUp(): Promise<string>
  /** Whatever was committed since the backup is gone. */
  restore(backup: string): Promise<void>
  /** A standby that follows. `failOver` promotes it, and the address leads to it; the primary is killed before. */
  follow(): Promise<Follower>
  close(): Promise<void>
}

export interface Follower {
  /** It has all that was committed by now. */
  caughtUp(): Promise<void>
  /** What is committed from now on, it does not get. */
  cutOff(): Promise<void>
  failOver(): Promise<void>
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const places = [makePlace()]
  const newPlace = (): string => {
    const place = makePlace()
    places.push(place)
    return place.postgresDir
  }
  const start = (dataDir: string): Promise<Postgres> =>
    startPostgres({ dataDir, throwaway: true, log: quiet })
  let server = await start(dataDirOf(places))
  for (const login of Object.values(LOGINS)) await ensureLogin(server.url, login)
  const address = await startTcpProxy(server.url)
  const lead = (to: Postgres): void => {
    server = to
    address.retarget(to.url)
    address.cut()
  }
  return {
    url: address.urlThrough(server.url),
    backUp: async () => {
      const backup = newPlace()
      await takeBaseBackup(running(server), backup)
      return backup
    },
    restore: async (backup) => {
      const { dataDir } = running(server)
      await server.stop()
      await restoreBaseBackup(backup, dataDir)
      lead(await start(dataDir))
    },
    follow: async () => {
      const standby = await startStandby(running(server), newPlace())
      return {
        caughtUp: () => untilCaughtUp(server, standby),
        cutOff: () => cutOffStandby(standby),
        failOver: async () => {
          kill(server.pid)
          await promoteStandby(standby)
          lead(standby)
        },
      }
    },
    close: async () => {
      await address.close()
      for (const { folder } of places) await removeTestFolder(folder)
    },
  }
}

export interface OwnTemporal {
  address: string
  backUp(): Promise<string>
  restore(backup: string): Promise<void>
  close(): Promise<void>
}

/** Needs the program: `describe.runIf(inject('temporalBinary') !== '')`. */
export async function startOwnTemporal(): Promise<OwnTemporal> {
  const place = makePlace()
  const dbFile = place.temporalDbFile
  const start = (): Promise<Temporal> =>
    startTemporal({ binary: inject('temporalBinary'), dbFile, log: quiet })
  let server = await start()
  const proxy = await startTcpProxy(`tcp://${server.address}`)
  let backups = 0
  return {
    address: `127.0.0.1:${proxy.port}`,
    backUp: async () => {
      const backup = path.join(place.folder, `temporal-backup-${++backups}.db`)
      await copyTemporalStore({ pid: pidOf(server.pid), dbFile }, backup)
      return backup
    },
    restore: async (backup) => {
      await server.stop()
      restoreTemporalStore(backup, dbFile)
      server = await start()
      proxy.retarget(`tcp://${server.address}`)
      proxy.cut()
    },
    close: async () => {
      await proxy.close()
      await server.stop()
      await removeTestFolder(place.folder)
    },
  }
}

/** A folder that the next test run removes if this one is killed. */
function makePlace(): TestFolder {
  const place = makeTestFolder()
  process.once('exit', () => {
    if (fs.existsSync(place.folder)) endServersOf(place.folder)
  })
  return place
}

function dataDirOf([place]: readonly TestFolder[]): string {
  if (!place) throw new Error('there is no place for a server')
  return place.postgresDir
}

function running({ url, dataDir }: Postgres): RunningPostgres {
  if (dataDir === undefined) throw new Error('a server that we did not start is not backed up here')
  return { url, dataDir }
}

function kill(pid: number | undefined): void {
  process.kill(pidOf(pid), 'SIGKILL')
}

function pidOf(pid: number | undefined): number {
  if (pid === undefined) throw new Error('a server that we did not start is left alone')
  return pid
}
