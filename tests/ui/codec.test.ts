/** The Temporal UI of `countersign dev` shows values that are encrypted, and values that are not in the history. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { startDevStack, type DevStack } from '../../cli/dev-stack.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { createClient } from '../../sdk/client/index.ts'
import { openBrowser, wordsOf } from '../support/browser.ts'
import { eventually } from '../support/world.ts'

const SMALL = 'a-small-value'
const LARGE = 'the-start-of-a-large-value'

let folder: string
let stack: DevStack
let browser: Browser

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-ui-'))
  const keysFile = join(folder, 'encryption.json')
  writeFileSync(keysFile, JSON.stringify({ active: 'k1', keys: { k1: randomBytes(32).toString('base64') } }))
  stack = await startDevStack({
    dataDir: join(folder, 'data'),
    log: () => undefined,
    port: 0,
    environment: {
      ...(process.env as Record<string, string>),
      DATABASE_URL: await ensureDatabase(inject('databaseUrl'), `ui_${process.pid}`),
      TEMPORAL_CLI_PATH: inject('temporalBinary'),
      COUNTERSIGN_ENCRYPTION_KEYS_FILE: keysFile,
    },
  })
  browser = await openBrowser()
})

afterAll(async () => {
  await browser?.close()
  await stack?.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('input and result of a run, and the words about it', async () => {
  const client = createClient({ baseUrl: stack.apiUrl, apiKey: stack.apiKey })
  const steps = [
    { name: 'end', return: { small: '${{ input.small }}', large: `${LARGE} ${'x'.repeat(30_000)}` } },
  ]
  await client.applyManifests({ manifests: [{ kind: 'Automation', name: 'shown', spec: { steps } }] })
  const { run_id: runId } = await client.startRun({ name: 'shown', input: { small: SMALL } })
  const run = await eventually(async () => {
    const found = await client.getRun({ run_id: runId })
    return found.state === 'completed' && found
  })
  const about = run.temporal_ui_url ?? ''
  const page = await browser.newPage({ viewport: { width: 1400, height: 1400 } })
  const values = about.replace('user-metadata', 'timeline')
  expect(await wordsOf(page, values, { waitFor: LARGE, picture: 'decoded-values' })).toContain(SMALL)
  expect(await wordsOf(page, about, { waitFor: 'asked for by admin', picture: 'decoded-words' })).toContain(
    'Input: an object with 1 field',
  )
})
