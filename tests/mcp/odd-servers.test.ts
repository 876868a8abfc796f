/** The corpus of odd servers in `tests/mcp/odd`, over both transports: what can be used of them is used, and they are told apart from those that have failed. */
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpServer } from '../../mcp/port.ts'
import { failureOf, httpTarget, limits, request, stdioTarget } from './calls.ts'
import { answer, DONE, GOOD_TOOL, listing, type Oddity } from './odd/oddity.ts'

const FOLDER = fileURLToPath(new URL('./odd/', import.meta.url))
const NO_ODDITY = ['oddity.ts', 'raw-stdio-server.mjs']

const ORDINARY = {
  initialize: answer(
    '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"odd","version":"1"}}',
  ),
  'tools/list': listing(GOOD_TOOL),
  'tools/call': answer('{"content":[{"type":"text","text":"done"}]}'),
}

type Answers = Record<string, string[]>

const corpus = await Promise.all(
  readdirSync(FOLDER)
    .filter((file) => !NO_ODDITY.includes(file))
    .map(async (file) => ((await import(`./odd/${file}`)) as { default: Oddity }).default),
)

const client = createMcpClient()
afterAll(() => client.close())

function answersOf({ answers }: Oddity): Answers {
  return Object.fromEntries(
    Object.entries({ ...ORDINARY, ...answers }).map(([method, of]) => [method, [of].flat()]),
  )
}

/** A server for one piece of work: its answers begin anew with each. */
type Serve = <T>(oddity: Oddity, work: (target: McpServer) => Promise<T>) => Promise<T>

const overHttp: Serve = async (oddity, work) => {
  const answers = answersOf(oddity)
  const turns: Record<string, number> = {}
  const server = createServer((incoming, response) => {
    void incoming.toArray().then((chunks: Buffer[]) => {
      const { method = '', id } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as {
        method?: string
        id?: number
      }
      const texts = answers[method]
      if (id === undefined || !texts) return response.writeHead(202).end()
      const turn = (turns[method] ??= 0)
      turns[method] = turn + 1
      response.writeHead(200, { 'content-type': 'application/json' })
      const text = texts[Math.min(turn, texts.length - 1)] ?? ''
      return response.end(text.replaceAll('$id', String(id)), oddity.encoding ?? 'utf8')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await work(httpTarget(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const overStdio: Serve = (oddity, work) =>
  work(
    stdioTarget({
      args: [`${FOLDER}raw-stdio-server.mjs`],
      env: { ODD_ANSWERS: JSON.stringify(answersOf(oddity)), ODD_ENCODING: oddity.encoding ?? 'utf8' },
    }),
  )

describe.each<[string, Serve]>([
  ['HTTP', overHttp],
  ['stdio', overStdio],
])('over %s, a server', (_transport, serve) => {
  it.each(corpus.map((oddity) => [oddity.title, oddity] as const))('%s', async (_title, oddity) => {
    const { tools = [{ name: 'echo', inputSchema: { type: 'object' } }], warnings = [] } = oddity
    await serve(oddity, async (target) => {
      const listed = await client.listTools(target, limits(5_000))
      expect(listed.tools).toMatchObject(tools)
      expect(listed.tools).toHaveLength(tools.length)
      expect(listed.warnings).toEqual(warnings.map((text) => expect.stringContaining(text) as string))
      const call = client.callTool(request(target, 'echo', limits(5_000)))
      if (oddity.kept) return expect(await call).toMatchObject(oddity.kept)
      if (!oddity.failure) return expect(await call).toEqual(oddity.result ?? DONE)
      const failure = await failureOf(call)
      expect(failure).toMatchObject(oddity.failure)
      for (const text of oddity.says ?? []) expect(failure.message).toContain(text)
    })
  })
})
