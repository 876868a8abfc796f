/**
 * Downloads the Temporal CLI from where Temporal's own SDKs get it: one small request that names the archive, then the
 * archive. Without a way to the internet this gives up within seconds; `target` appears complete or not at all.
 */
import { createWriteStream, chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { z } from 'zod'
import type { Log } from './waiting.ts'
import { run } from './waiting.ts'

const ANSWER_TIMEOUT_MS = 20_000
/** Without a byte for this long the connection counts as dead. */
const STALL_TIMEOUT_MS = 20_000
const TELL_EVERY_MS = 5_000
const EXTRACT_TIMEOUT_MS = 120_000

const infoSchema = z.object({ archiveUrl: z.url({ protocol: /^https?$/ }), fileToExtract: z.string().min(1) })

export interface DownloadOptions {
  origin: string
  version: string
  target: string
  /** Throws when the extracted program does not run. */
  check: (file: string) => Promise<void>
  log: Log
}

export async function downloadTemporal(options: DownloadOptions): Promise<void> {
  const { origin, version, target } = options
  const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' }
  const url = new URL(`/cli/${version}`, origin)
  url.searchParams.set('arch', architectures[process.arch] ?? process.arch)
  url.searchParams.set('platform', process.platform)
  options.log(`asking ${url.host} for the Temporal CLI ${version} (at most ${ANSWER_TIMEOUT_MS / 1000} s)`)
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
  if (!answer.ok) throw new Error(`${url.host} answers ${answer.status}`)
  const info = infoSchema.parse(await answer.json())
  if (url.protocol === 'https:' && !info.archiveUrl.startsWith('https:')) {
    throw new Error(`${url.host} names an archive without https`)
  }
  mkdirSync(path.dirname(target), { recursive: true })
  const folder = mkdtempSync(`${target}.download-`)
  try {
    const archive = path.join(folder, 'archive.tar.gz')
    await downloadFile(info.archiveUrl, archive, options.log)
    await extract(archive, folder, info.fileToExtract)
    const program = path.join(folder, info.fileToExtract)
    chmodSync(program, 0o755)
    await options.check(program)
    renameSync(program, target)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function downloadFile(url: string, file: string, log: Log): Promise<void> {
  const stalled = new AbortController()
  const stall = () => stalled.abort(new Error(`no data for ${STALL_TIMEOUT_MS / 1000} s`))
  let timer = setTimeout(stall, STALL_TIMEOUT_MS)
  try {
    const response = await fetch(url, { signal: stalled.signal })
    if (!response.ok || response.body === null)
      throw new Error(`the archive's server answers ${response.status}`)
    const totalBytes = Number(response.headers.get('content-length') ?? 0)
    let receivedBytes = 0
    let nextTell = Date.now() + TELL_EVERY_MS
    const source = Readable.fromWeb(response.body as ReadableStream<Uint8Array>)
    source.on('data', (chunk: Uint8Array) => {
      clearTimeout(timer)
      timer = setTimeout(stall, STALL_TIMEOUT_MS)
      receivedBytes += chunk.length
      if (Date.now() < nextTell) return
      nextTell = Date.now() + TELL_EVERY_MS
      log(`downloading the Temporal CLI: ${megabytes(receivedBytes)} of ${megabytes(totalBytes) || '?'} MB`)
    })
    await pipeline(source, createWriteStream(file), { signal: stalled.signal })
  } finally {
    clearTimeout(timer)
  }
}

/** Only the one named file is taken out, whatever else the archive holds. */
async function extract(archive: string, folder: string, member: string): Promise<void> {
  if (path.isAbsolute(member) || member.split('/').includes('..'))
    throw new Error(`the archive names ${member}`)
  const options = { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, timeoutMs: EXTRACT_TIMEOUT_MS }
  const extracted = await run('tar', ['-xzf', archive, '-C', folder, member], options)
  if (!extracted.succeeded) throw new Error(`the archive cannot be unpacked: ${extracted.output}`)
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000)
}
