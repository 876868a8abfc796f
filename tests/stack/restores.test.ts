/** The tools of operators that other tests use: a backup holds its moment, and a standby that was cut off loses the rest. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { Client, Connection } from '@temporalio/client'
import {
  startOwnPostgres,
  startOwnTemporal,
  type OwnPostgres,
  type OwnTemporal,
} from '../support/own-servers.ts'
import { eventually } from '../support/world.ts'

describe('a PostgreSQL server of our own', () => {
  let postgres: OwnPostgres
  beforeAll(async () => {
    postgres = await startOwnPostgres()
    await query('create table notes (text text)')
  })
  afterAll(() => postgres.close())

  async function query(text: string, values: unknown[] = []): Promise<{ text: string }[]> {
    const client = new pg.Client({ connectionString: postgres.url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<{ text: string }>(text, values)).rows
    } finally {
      await client.end()
    }
  }
  const write = (text: string) => query('insert into notes values ($1)', [text])
  const notes = async () => (await query('select text from notes order by text')).map(({ text }) => text)

  it('comes back from a backup as it was then, at the same address, as often as one likes', async () => {
    await write('before')
    const backup = await postgres.backUp()
    await write('later')
    await postgres.restore(backup)
    expect(await notes()).toEqual(['before'])
    await write('even later')
    await postgres.restore(backup)
    expect(await notes()).toEqual(['before'])
  })

  it('loses what its standby did not get, and keeps what it did', async () => {
    const standby = await postgres.follow()
    await write('followed')
    await standby.caughtUp()
    await standby.cutOff()
    await write('lost')
    expect(await notes()).toContain('lost')
    await standby.failOver()
    expect(await notes()).toEqual(['before', 'followed'])
    await write('on the new primary')
    expect(await notes()).toContain('on the new primary')
  })
})

describe.runIf(inject('temporalBinary') !== '')('a Temporal server of our own', () => {
  let temporal: OwnTemporal
  beforeAll(async () => {
    temporal = await startOwnTemporal()
  })
  afterAll(() => temporal.close())

  it('comes back from a backup without the runs that were started since', async () => {
    const connection = await Connection.connect({ address: temporal.address })
    try {
      const client = new Client({ connection })
      const start = (workflowId: string) =>
        client.workflow.start('anything', { workflowId, taskQueue: 'nobody' })
      await start('before')
      const backup = await temporal.backUp()
      await start('later')
      await temporal.restore(backup)
      const statusOf = (workflowId: string) =>
        eventually(async () =>
          client.workflow
            .getHandle(workflowId)
            .describe()
            .then(({ status }) => status.name)
            .catch((error: Error) => error.name === 'WorkflowNotFoundError' && 'unknown'),
        )
      expect(await statusOf('before')).toBe('RUNNING')
      expect(await statusOf('later')).toBe('unknown')
    } finally {
      await connection.close()
    }
  })
})
