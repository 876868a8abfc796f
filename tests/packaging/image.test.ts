/**
 * What docker/Dockerfile does, as far as it goes without Docker: its context alone is built, and what its last stage
 * takes from there runs. Compose and the Dockerfile are held against each other in tests/unit/compose.test.ts.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT, run } from './shop.ts'

const dockerfile = readFileSync(path.join(ROOT, 'docker/Dockerfile'), 'utf8')
const packages = realpathSync(path.join(ROOT, 'node_modules'))

let top: string
let context: string
let image: string

beforeAll(async () => {
  top = realpathSync(mkdtempSync(path.join(tmpdir(), 'countersign-image-')))
  context = path.join(top, 'build')
  image = path.join(top, 'image')
  for (const line of readFileSync(path.join(ROOT, 'docker/Dockerfile.dockerignore'), 'utf8').split('\n')) {
    if (!line.startsWith('!')) continue
    cpSync(path.join(ROOT, line.slice(1)), path.join(context, line.slice(1)), { recursive: true })
  }
  symlinkSync(packages, path.join(context, 'node_modules'))
  expect(dockerfile).toMatch(/^RUN npm run build /m)
  const built = await run('npm', ['run', 'build'], { cwd: context })
  expect(built, built.stderr + built.stdout).toMatchObject({ code: 0 })
  mkdirSync(image)
  for (const [, sources = '', target = ''] of dockerfile.matchAll(/^COPY --from=build (.+) (\S+)$/gm)) {
    for (const source of sources.split(' ')) take(source.replace('/app/', ''), target)
  }
})

afterAll(() => rmSync(top, { recursive: true, force: true }))

function take(source: string, target: string): void {
  if (source === 'node_modules') return symlinkSync(packages, path.join(image, target))
  const to = path.join(image, target.endsWith('/') ? path.join(target, source) : target)
  cpSync(path.join(context, source), to, { recursive: true })
}

test('the image holds the bundle of the workflows, and no sources', () => {
  expect(existsSync(path.join(image, 'dist/workflow-bundle.js'))).toBe(true)
  expect(existsSync(path.join(image, 'api'))).toBe(false)
})

test('its programs start', async () => {
  const [, command = '[]'] = /^CMD (.+)$/m.exec(dockerfile) ?? []
  const [program, file = ''] = JSON.parse(command) as string[]
  expect(program).toBe('node')
  for (const name of [file, 'dist/workers/main.js']) {
    const started = await run(process.execPath, [name], { cwd: image })
    expect(started.code).toBe(1)
    expect(started.stdout + started.stderr).toContain('DATABASE_URL: is not set')
  }
  const keys = ['all', 'api', 'worker'].map((name) => path.join(top, 'keys', name))
  for (const folder of keys) mkdirSync(folder, { recursive: true })
  const made = await run(process.execPath, ['dist/docker/make-keys.js', ...keys], { cwd: image })
  expect(made).toMatchObject({ code: 0 })
  expect(existsSync(path.join(top, 'keys/worker/receipt.key.pem'))).toBe(true)
  expect(existsSync(path.join(top, 'keys/worker/decision.key.pem'))).toBe(false)
  const help = await run(process.execPath, ['cli/bin.mjs', '--help'], { cwd: image })
  expect(help).toMatchObject({ code: 0 })
})
