/** Where the Temporal CLI comes from, in order, and what is said when it comes from nowhere. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cachedBinaryPath, findTemporalBinary } from '../../scripts/stack/temporal-binary.ts'

/** Answers like a Temporal CLI that is new enough. */
const PROGRAM = '#!/bin/sh\necho "--db-filename --sqlite-pragma --dynamic-config-value"\n'
/** Nothing listens there: what asks for a download gets nowhere at once. */
const NOWHERE = 'http://127.0.0.1:1'
const SYSTEM_PATH = '/usr/bin:/bin'

let folder: string
let env: Record<string, string>
const lines: string[] = []
const log = (line: string) => void lines.push(line)
const find = (more: Record<string, string> = {}, downloadOrigin = NOWHERE) =>
  findTemporalBinary({ env: { ...env, ...more }, log, downloadOrigin })

beforeEach(() => {
  lines.length = 0
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-binary-'))
  env = { PATH: SYSTEM_PATH, XDG_CACHE_HOME: path.join(folder, 'cache') }
})

afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

describe('findTemporalBinary', () => {
  it('prefers TEMPORAL_CLI_PATH, then PATH, then the cache', async () => {
    const named = write('named', PROGRAM)
    const onPath = write('bin/temporal', PROGRAM)
    const cached = cachedBinaryPath(env)
    writeProgram(cached, PROGRAM)
    const PATH = `${path.dirname(onPath)}:${SYSTEM_PATH}`
    expect(await find({ TEMPORAL_CLI_PATH: named, PATH })).toEqual({
      path: named,
      source: 'TEMPORAL_CLI_PATH',
    })
    expect(await find({ PATH })).toEqual({ path: onPath, source: 'PATH' })
    expect(await find()).toEqual({ path: cached, source: 'cache' })
  })

  it('refuses a TEMPORAL_CLI_PATH that cannot be used instead of taking another one', async () => {
    writeProgram(cachedBinaryPath(env), PROGRAM)
    const missing = path.join(folder, 'missing')
    await expect(find({ TEMPORAL_CLI_PATH: missing })).rejects.toThrow(
      /TEMPORAL_CLI_PATH names .*missing.* or unset it/,
    )
  })

  it('passes over one on PATH that is too old, and says so', async () => {
    const old = write('bin/temporal', '#!/bin/sh\necho "--db-filename"\n')
    writeProgram(cachedBinaryPath(env), PROGRAM)
    const found = await find({ PATH: `${path.dirname(old)}:${SYSTEM_PATH}` })
    expect(found.source).toBe('cache')
    expect(lines.join()).toMatch(/on PATH .* has no --sqlite-pragma, .*too old/)
  })

  it('downloads the pinned version and keeps it', async () => {
    const { origin, server, asked } = await serveArchive(PROGRAM)
    const found = await find({}, origin)
    server.close()
    expect(found).toEqual({ path: cachedBinaryPath(env), source: 'download' })
    expect(asked[0]).toMatch(/^\/cli\/v\d+\.\d+\.\d+\?arch=(amd64|arm64)&platform=(linux|darwin)$/)
    expect((await find()).source).toBe('cache')
    expect(fs.readdirSync(path.dirname(found.path))).toEqual([path.basename(found.path)])
  })

  it('keeps nothing of a download that does not run', async () => {
    const { origin, server } = await serveArchive('#!/bin/sh\nexit 1\n')
    await expect(find({}, origin)).rejects.toThrow(/what was downloaded cannot be used/)
    server.close()
    expect(fs.readdirSync(path.dirname(cachedBinaryPath(env)))).toEqual([])
  })

  it('builds it when there is Go, once for two that ask at the same time', async () => {
    const go = write(
      'bin/go',
      `#!/bin/sh
echo "$@" >> ${folder}/calls
while [ "$1" != -o ]; do shift; done
echo "go: downloading example.org/x v1.0.0" >&2
printf '%s' '${PROGRAM}' > "$2" && chmod +x "$2"
`,
    )
    const more = { PATH: `${path.dirname(go)}:${SYSTEM_PATH}`, GOFLAGS: '-mod=mod' }
    const found = await Promise.all([find(more), find(more)])
    expect(found.map(({ source }) => source).toSorted()).toEqual(['build', 'cache'])
    expect(fs.readFileSync(path.join(folder, 'calls'), 'utf8')).toMatch(/^build -mod=readonly [^\n]*\n$/)
    expect(lines.join('\n')).toMatch(/download failed after .* s: [^]*is ready after .* s \(build\)/)
  })

  it('says what was tried and what to install when it comes from nowhere', async () => {
    const failure = find()
    await expect(failure).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(failure).rejects.toThrow(
      /download failed after .*no `go` on PATH.*Install the Temporal CLI v1\./,
    )
  })
})

function write(name: string, content: string): string {
  const file = path.join(folder, name)
  writeProgram(file, content)
  return file
}

function writeProgram(file: string, content: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content, { mode: 0o755 })
}

/** Stands for Temporal's download site: first the description of the archive, then the archive. */
async function serveArchive(program: string): Promise<{ origin: string; server: Server; asked: string[] }> {
  write('archive/temporal', program)
  execFileSync('tar', [
    '-czf',
    path.join(folder, 'archive.tar.gz'),
    '-C',
    path.join(folder, 'archive'),
    'temporal',
  ])
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (request.url === '/archive.tar.gz') {
      response.end(fs.readFileSync(path.join(folder, 'archive.tar.gz')))
      return
    }
    const archiveUrl = `http://${request.headers.host}/archive.tar.gz`
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ archiveUrl, fileToExtract: 'temporal' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { origin: `http://127.0.0.1:${port}`, server, asked }
}
