/**
 * Too much of something: a run ends in a code of ours or goes on, and is never terminated by Temporal. The server here
 * gives whatever size a test asks for.
 */
import { fileURLToPath } from 'node:url'
import { NativeConnection, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { loadSigningKey } from '../../lib/keys.ts'
import { LIMITS } from '../../lib/limits.ts'
import { countersign } from '../../workers/plugin.ts'
import { CHANGE, ONE_LEAD } from '../support/automations.ts'
import { textResult, type TestTool } from '../support/mcp-server.ts'
import { about, refusal, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const MB = 1024 * 1024

let s: Scenario
/** What the server answers to a call besides MCP: bytes without end, as far as they are taken. */
let floodBytes = 0

beforeAll(async () => {
  s = await startScenario({
    intercept: ({ method }, response) => {
      if (method !== 'tools/call' || floodBytes === 0) return false
      const chunk = Buffer.alloc(64 * 1024, 'x')
      let left = floodBytes
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        while (left > 0 && !response.destroyed) {
          left -= chunk.byteLength
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
      return true
    },
  })
  s.server.tools.push(...sizedTools())
  await s.apply({
    kind: 'Connection',
    name: 'tools',
    spec: {
      type: 'mcp',
      transport: 'http',
      url: s.server.url,
      allow_private_addresses: true,
      trusted: true,
      timeout: '30s',
    },
  })
})

afterAll(() => s.close())

function sizedTools(): TestTool[] {
  const inputSchema = {
    type: 'object' as const,
    properties: { about: { type: 'string' }, bytes: { type: 'number' }, text: { type: 'string' } },
  }
  const read = { inputSchema, annotations: { readOnlyHint: true } }
  const filled = (bytes: unknown) => '"x\u00e9'.repeat(Number(bytes) / 4)
  return [
    { ...read, name: 'text', run: ({ bytes }) => textResult(filled(bytes)) },
    {
      ...read,
      name: 'structured',
      run: ({ bytes }) => {
        const structuredContent = { filled: filled(bytes) }
        return { ...textResult(JSON.stringify(structuredContent)), structuredContent }
      },
    },
    { ...read, name: 'complain', run: ({ bytes }) => ({ ...textResult(filled(bytes)), isError: true }) },
    { ...read, name: 'echo', run: ({ text }) => ({ ...textResult('ok'), structuredContent: { text } }) },
    {
      name: 'note_much',
      inputSchema,
      annotations: { readOnlyHint: false },
      run: ({ bytes }) => ({ ...textResult('ok'), structuredContent: { filled: filled(bytes) } }),
    },
  ]
}

const ask = (name: string, tool: string, bytes: number): JsonObject => ({
  name,
  tool_call: { connection: 'tools', tool, arguments: { about: '${{ input.account }}', bytes } },
})

async function statusOf(workflowId: string): Promise<string> {
  return (await s.world.temporal.workflow.getHandle(workflowId).describe()).status.name
}

describe('an answer', () => {
  test.each(['text', 'structured'])('of 3 MB as %s is a value like any other', async (tool) => {
    const size = tool === 'text' ? 'size(steps.much.output.text)' : 'size(steps.much.output.filled)'
    await s.define(
      `much-${tool}`,
      [ask('much', tool, 3 * MB), { name: 'end', return: { size: `\${{ ${size} }}` } }],
      {
        allow: true,
      },
    )
    const run = await s.start(`much-${tool}`)
    // Four bytes of it are three characters.
    await s.expectEnding(run, { state: 'completed', result: { size: (3 * MB * 3) / 4 } })
    const { historyLength, historySize } = await s.world.temporal.workflow
      .getHandle(run.workflowId)
      .describe()
    expect(historyLength).toBe(11)
    expect(historySize).toBeLessThan(4_000)
  })

  test('of 5 MB is refused', async () => {
    await s.define('too-much', [ask('much', 'text', 5 * MB)], { allow: true })
    const run = await s.start('too-much')
    const ending = await s.expectEnding(run, { state: 'failed', code: 'RESULT_TOO_LARGE' })
    expect(ending.message).toContain('at most 4.0 MB')
    expect(await statusOf(run.workflowId)).toBe('FAILED')
  })

  test('of 5 MB to a write leaves the write applied, without its output', async () => {
    const end = { name: 'end', return: '${{ steps.much.output }}' }
    await s.define('noted-much', [ask('much', 'note_much', 5 * MB), end], { allow: true })
    const run = await s.start('noted-much')
    await s.expectEnding(run, { state: 'completed', result: null, writebacks: ['applied'] })
    const [statement] = await s.statements(run)
    expect(statement?.predicate).toMatchObject({ status: 'applied', code: 'RESULT_TOO_LARGE' })
  })

  /** The answers to one call are of 50 MB. */
  async function flooded(tool: string): Promise<StartedRun> {
    const name = `flood-${tool.replace('_', '-')}`
    await s.define(name, [ask('much', tool, 1)], { allow: true })
    floodBytes = 50 * MB
    return s.start(name)
  }

  test('of 50 MB to a reading ends the call', async () => {
    try {
      const run = await flooded('text')
      await s.expectEnding(run, { state: 'failed', code: 'RESULT_TOO_LARGE', writebacks: [] })
      expect(await statusOf(run.workflowId)).toBe('FAILED')
    } finally {
      floodBytes = 0
    }
  })

  test('of 50 MB to a write ends the call, and a person says what became of it', async () => {
    try {
      const run = await flooded('note_much')
      await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
      await s.world.admin.cancelRun({ run_id: run.runId })
      await s.expectEnding(run, { writebacks: ['unknown'], code: 'RESULT_TOO_LARGE' })
    } finally {
      floodBytes = 0
    }
  })

  test('that is an error of 3 MB is told in a line', async () => {
    await s.define('complains', [ask('much', 'complain', 3 * MB)], { allow: true })
    const run = await s.start('complains')
    const ending = await s.expectEnding(run, { state: 'failed', code: 'TOOL_FAILED' })
    expect(ending.message.length).toBeLessThan(1_000)
  })
})

describe('values', () => {
  test('of 16 MB together are too much for a run', async () => {
    const steps = [1, 2, 3, 4, 5].map((i) => ask(`much${i}`, 'text', 3.5 * MB))
    await s.define('all-together', steps, { allow: true })
    const run = await s.start('all-together')
    const ending = await s.expectEnding(run, { state: 'failed', code: 'VALUE_TOO_LARGE' })
    expect(ending.message).toMatch(/much5.*all values of the run together/)
  })

  test.each<[string, JsonObject]>([
    ['the result', { name: 'end', return: ['${{ steps.a.output }}', '${{ steps.b.output }}'] }],
    [
      'the arguments',
      {
        name: 'c',
        tool_call: {
          connection: 'tools',
          tool: 'echo',
          arguments: { text: '${{ steps.a.output.text + steps.b.output.text }}' },
        },
      },
    ],
  ])('of 4 MB are too much for %s', async (what, step) => {
    const name = `sum-${what.replace(' ', '-')}`
    await s.define(name, [ask('a', 'text', 2.5 * MB), ask('b', 'text', 2.5 * MB), step], { allow: true })
    const run = await s.start(name)
    const ending = await s.expectEnding(run, { state: 'failed', code: 'VALUE_TOO_LARGE' })
    expect(ending.message).toContain(`${what}: 5.0 MB, at most 4.0 MB`)
  })

  test('of 60 KB go into and come out of a hundred calls of one run', async () => {
    const bytes = 60_000
    const steps = Array.from({ length: 100 }, (_, i) => ({
      name: `call${i}`,
      tool_call: {
        connection: 'tools',
        tool: 'echo',
        arguments: {
          text:
            `${i} \${{ input.account }} ${'x'.repeat(100)}`.padEnd(2_000, 'y') +
            '${{ steps.text.output.text }}',
        },
      },
    }))
    const end = { name: 'end', return: { size: '${{ size(steps.call99.output.text) }}' } }
    await s.define('hundred', [ask('text', 'text', bytes), ...steps, end], { allow: true })
    const run = await s.start('hundred')
    const ending = await eventually(async () => {
      const found = await s.look(run)
      return found.state !== 'running' && found
    }, 120_000)
    expect(ending).toMatchObject({ state: 'completed', code: null })
    const { historyLength, historySize } = await s.world.temporal.workflow
      .getHandle(run.workflowId)
      .describe()
    process.stderr.write(
      `[numbers] 100 calls of 60 KB, one by one: ${JSON.stringify({ historyLength, historySize })}\n`,
    )
    expect(historySize).toBeLessThan(500_000)
  })
})

describe('a hundred calls of 60 KB in one workflow task', () => {
  const run = async (name: string, plugins: ReturnType<typeof countersign>[]) => {
    const connection = await NativeConnection.connect({ address: inject('temporalAddress') })
    const taskQueue = `${name}-${s.world.taskQueue}`
    const worker = await Worker.create({
      connection,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('../fixtures/fan-out-workflow.ts', import.meta.url)),
      activities: { echo: async (text: string) => text },
      shutdownGraceTime: '1s',
      plugins,
    })
    const running = worker.run()
    const workflowId = `${name}/acme/${Date.now()}`
    const startedMs = Date.now()
    try {
      const handle = await s.world.temporal.workflow.start('fanOutWorkflow', {
        taskQueue,
        workflowId,
        args: [{ calls: 100, bytes: 60_000 }],
        workflowExecutionTimeout: '40s',
      })
      const result = (await handle.result().catch((error: Error) => error.name)) as unknown
      const { status, historyLength, historySize } = await handle.describe()
      const tookMs = Date.now() - startedMs
      const numbers = { result, status: status.name, historyLength, historySize, tookMs }
      process.stderr.write(`[numbers] 100 activities of 60 KB at once, ${name}: ${JSON.stringify(numbers)}\n`)
      return numbers
    } finally {
      worker.shutdown()
      await running
      await connection.close()
    }
  }

  test('go through', async () => {
    const plugin = countersign({
      database: s.world.database,
      signingKey: loadSigningKey(s.world.keysFolder, 'receipt'),
      trust: { keys: [], identity: 'verified' },
      resolveSecret: () => '',
      commandsFile: `${s.world.folder}/commands.json`,
    })
    const { result, status, historySize } = await run('with-codec', [plugin])
    expect({ result, status }).toEqual({ result: 6_000_000, status: 'COMPLETED' })
    expect(historySize).toBeLessThan(200_000)
  })

  test('end the run without the codec, which is what it is for', async () => {
    expect((await run('without-codec', [])).status).not.toBe('COMPLETED')
  }, 120_000)
})

describe('a history', () => {
  test('of 20 MB ends the run at its next step', async () => {
    await s.define('long', [CHANGE, ask('after', 'text', 10)], ONE_LEAD)
    const run = await s.park('long')
    const handle = s.world.temporal.workflow.getHandle(run.workflowId)
    const noise = 'n'.repeat(15_900)
    for (let sent = 0; sent * noise.length < LIMITS.historyBytes + 1 * MB; sent += 50) {
      await Promise.all(Array.from({ length: 50 }, () => handle.signal('noise', noise)))
    }
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    const ending = await s.expectEnding(run, { state: 'failed', code: 'RUN_TOO_LARGE', changes: 1 })
    expect(ending.message).toMatch(/the history has \d+ events and 2\d\.\d MB/)
  }, 120_000)
})

describe('a manifest', () => {
  const returning = (count: number, note = '') =>
    Array.from({ length: count }, (_, i) => ({ name: `s${i}`, return: note }))

  test.each<[string, JsonObject[], RegExp]>([
    ['over 256 KB', returning(10, 'x'.repeat(30_000)), /29\d KB, at most 256 KB/],
    ['with 501 steps', returning(501), /500/],
  ])('%s is refused at save', async (_what, steps, words) => {
    const asked = s.world.admin.applyManifests({
      manifests: [{ kind: 'Automation', name: 'huge', spec: { steps } }],
    })
    expect(await refusal(asked)).toBe('422 INVALID_MANIFEST')
    await expect(asked).rejects.toMatchObject({
      errors: [{ message: expect.stringMatching(words) as string }],
    })
  })
})

describe('a comment', () => {
  test('over 4 KB is refused, also where its characters are fewer', async () => {
    await s.define('commented', [CHANGE], ONE_LEAD)
    const run = await s.park('commented')
    const decide = (comment: string) =>
      s.lena.decideApproval({ ...about(run.approval), verdict: 'approve', comment })
    expect(await refusal(decide('x'.repeat(4_097)))).toBe('400 INVALID_INPUT')
    expect(await refusal(decide('\u00e9'.repeat(2_049)))).toBe('400 INVALID_INPUT')
    await decide('\u00e9'.repeat(2_048))
    await s.expectEnding(run, { state: 'completed', changes: 1 })
  })
})
