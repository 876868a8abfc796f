/** Our Temporal server loses nothing it acknowledged, and is found again after its parent's death. Real servers. */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { Client, Connection } from '@temporalio/client'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../schemas/names.ts'
import { identify } from '../../scripts/stack/process-identity.ts'
import type { Temporal } from '../../scripts/stack/temporal.ts'
import { startTemporal } from '../../scripts/stack/temporal.ts'
import { recordFile } from '../../scripts/stack/temporal-server.ts'
import { makeTestFolder, removeTestFolder } from './test-folder.ts'

const TASK_QUEUE = 'nobody-polls-this'
const RETENTION_SECONDS = 30 * 24 * 3600

let folder: string
let dbFile: string
const lines: string[] = []
const log = (line: string) => void lines.push(line)
const start = (options: { namespaces?: string[]; codecEndpoint?: string } = {}) =>
  startTemporal({ binary: inject('temporalBinary'), dbFile, log, ...options })

beforeEach(() => {
  lines.length = 0
  const places = makeTestFolder()
  folder = places.folder
  dbFile = places.temporalDbFile
})

afterEach(() => removeTestFolder(folder))

describe.runIf(inject('temporalBinary') !== '')('our Temporal server', () => {
  it('keeps its store from other accounts', async () => {
    await start()
    const kept = [dbFile, `${dbFile}-wal`, `${dbFile}-shm`].filter((file) => fs.existsSync(file))
    expect(kept).toContain(dbFile)
    for (const file of kept) expect([file, fs.statSync(file).mode & 0o777]).toEqual([file, 0o600])
  })

  it('tells its UI where the codec is, and nobody who looks at command lines', async () => {
    const codecEndpoint = 'http://127.0.0.1:8700/codec/open/token-of-the-codec'
    const temporal = await start({ codecEndpoint })
    const settings = await fetch(`${temporal.uiUrl ?? ''}/api/v1/settings`)
    expect(await settings.json()).toMatchObject({ Codec: { Endpoint: codecEndpoint } })
    const { command = '' } = identify(pidOf(temporal)) ?? {}
    expect(command).toContain('start-dev')
    expect(command).not.toContain('token-of-the-codec')
    const told = fs.readdirSync(folder).filter((name) => {
      const file = `${folder}/${name}`
      return fs.statSync(file).isFile() && fs.readFileSync(file, 'utf8').includes('token-of-the-codec')
    })
    expect(told.length).toBeGreaterThan(0)
    for (const name of told)
      expect([name, fs.statSync(`${folder}/${name}`).mode & 0o777]).toEqual([name, 0o600])
  })

  it('loses no acknowledged start and no acknowledged signal when it is killed', async () => {
    const workflowIds = Array.from({ length: 60 }, (_, index) => `parked-${index}`)
    const first = await start()
    await withClient(first, async (client) => {
      for (let from = 0; from < workflowIds.length; from += 20) {
        await Promise.all(workflowIds.slice(from, from + 20).map((id) => startAndSignal(client, id)))
      }
    })
    process.kill(pidOf(first), 'SIGKILL')

    const second = await start()
    expect(second.adopted).toBe(false)
    await withClient(second, async (client) => {
      const signals = await Promise.all(workflowIds.map((id) => signalsInHistory(client, id)))
      expect(signals).toEqual(workflowIds.map((id) => [JSON.stringify(`signal for ${id}`)]))
      expect((await client.workflow.count(`${SEARCH_ATTRIBUTES.org} = 'acme'`)).count).toBe(60)
    })
  })

  it('has the search attributes, thirty days of retention and the Web UI, on a new file and an old one', async () => {
    for (const wanted of [{}, { namespaces: ['second'] }]) {
      const temporal = await start(wanted)
      await withClient(temporal, async (client) => {
        for (const namespace of ['default', ...(wanted.namespaces ?? [])]) {
          expect(await customAttributes(client, namespace)).toEqual(
            Object.values(SEARCH_ATTRIBUTES).toSorted(),
          )
          const described = await client.workflowService.describeNamespace({ namespace })
          expect(Number(described.config?.workflowExecutionRetentionTtl?.seconds)).toBe(RETENTION_SECONDS)
        }
      })
      expect((await fetch(temporal.uiUrl ?? '')).status).toBe(200)
      await temporal.stop()
      expect(identify(pidOf(temporal))).toBeUndefined()
    }
  })

  it('is adopted when a killed parent left it behind, and replaced when it was started in another way', async () => {
    const first = await start()
    const again = await start()
    expect(again).toMatchObject({ adopted: true, pid: first.pid, address: first.address, uiUrl: first.uiUrl })

    const other = await start({ namespaces: ['second'] })
    expect(other.adopted).toBe(false)
    expect(identify(pidOf(first))).toBeUndefined()
    expect(lines.join()).toContain('ending a Temporal server that was left behind')
  })

  it('leaves alone a foreign process whose pid the note names', async () => {
    const foreign = spawn('sleep', ['60'])
    const note = { port: 1, uiPort: 2, binary: inject('temporalBinary'), namespaces: ['default'] }
    const identity = { pid: foreign.pid, startedAt: 'long ago', command: 'temporal' }
    fs.writeFileSync(recordFile(dbFile), JSON.stringify({ ...note, identity }))
    const temporal = await start()
    expect(temporal.adopted).toBe(false)
    expect(foreign.exitCode ?? foreign.signalCode).toBeNull()
    foreign.kill()
  })
})

describe('a Temporal server of somebody else', () => {
  it('is used, gets the search attributes, and is never stopped', async () => {
    const temporal = await startTemporal({ address: inject('temporalAddress'), log })
    await temporal.stop()
    await withClient(temporal, async (client) => {
      expect(await customAttributes(client, 'default')).toEqual(
        expect.arrayContaining(Object.values(SEARCH_ATTRIBUTES)),
      )
    })
  })

  it('that does not answer is named, with what to do', async () => {
    const failure = startTemporal({ address: '127.0.0.1:1', log })
    await expect(failure).rejects.toThrow(
      /The Temporal server at 127\.0\.0\.1:1 does not answer: .*unset TEMPORAL_ADDRESS/s,
    )
  })
})

async function startAndSignal(client: Client, workflowId: string): Promise<void> {
  const handle = await client.workflow.start('parked', {
    workflowId,
    taskQueue: TASK_QUEUE,
    searchAttributes: { [SEARCH_ATTRIBUTES.org]: ['acme'] },
  })
  await handle.signal('approve', `signal for ${workflowId}`)
}

async function signalsInHistory(client: Client, workflowId: string): Promise<string[]> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory()
  return (events ?? []).flatMap((event) => {
    const data = event.workflowExecutionSignaledEventAttributes?.input?.payloads?.[0]?.data
    return data ? [Buffer.from(data).toString()] : []
  })
}

async function customAttributes(client: Client, namespace: string): Promise<string[]> {
  const listed = await client.connection.operatorService.listSearchAttributes({ namespace })
  return Object.keys(listed.customAttributes ?? {}).toSorted()
}

async function withClient(temporal: Temporal, work: (client: Client) => Promise<void>): Promise<void> {
  const connection = await Connection.connect({ address: temporal.address })
  try {
    await work(new Client({ connection }))
  } finally {
    await connection.close()
  }
}

function pidOf(temporal: Temporal): number {
  if (temporal.pid === undefined) throw new Error('no pid')
  return temporal.pid
}
