/**
 * An MCP server as a process of its own, to be killed: `tool-server.ts EFFECTS_FILE [--stdio]`. What its tools do is a
 * line in that file, written before the answer, so that it outlives the process. `note_again` knows the keys it has
 * seen, and `count` reads how often something was noted.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { serveOverStdio, startTestMcpServer, textResult, type TestTool } from '../../support/mcp-server.ts'

export interface Effect {
  tool: string
  about: string
  key: string | null
}

export function readEffects(file: string): Effect[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Effect)
}

function tools(file: string): TestTool[] {
  const inputSchema = {
    type: 'object' as const,
    properties: { about: { type: 'string' }, key: { type: 'string' } },
    required: ['about'],
    additionalProperties: false,
  }
  const write = (name: string, keepsKeys: boolean): TestTool => ({
    name,
    inputSchema,
    annotations: { readOnlyHint: false },
    run: (args) => {
      const effect = { tool: name, about: String(args['about']), key: (args['key'] as string) ?? null }
      const isKnown = keepsKeys && readEffects(file).some(({ key }) => key === effect.key)
      if (!isKnown) appendFileSync(file, `${JSON.stringify(effect)}\n`)
      return { ...textResult('noted'), structuredContent: { noted: effect.about } }
    },
  })
  const look: TestTool = {
    name: 'look',
    inputSchema,
    annotations: { readOnlyHint: true },
    run: ({ about }) => ({ ...textResult('seen'), structuredContent: { about, level: 3 } }),
  }
  const count: TestTool = {
    name: 'count',
    inputSchema,
    annotations: { readOnlyHint: true },
    run: ({ about }) => {
      const times = readEffects(file).filter((effect) => effect.about === about).length
      return { ...textResult('counted'), structuredContent: { times } }
    },
  }
  return [look, count, write('note', false), write('note_checked', false), write('note_again', true)]
}

const [, script, file, transport] = process.argv
const isStarted = script !== undefined && resolve(script) === import.meta.filename && file !== undefined
if (isStarted && transport === '--stdio') await serveOverStdio(tools(file))
else if (isStarted) {
  const { url } = await startTestMcpServer({ tools: tools(file) })
  process.stdout.write(`listening at ${url}\n`)
}
