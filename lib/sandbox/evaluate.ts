/**
 * The source of a `code` step in QuickJS. Each call has a WebAssembly instance of its own, so nothing of one is left for
 * the next, not even memory. It blocks its thread until it ends: see pool.ts.
 */
import { createRequire } from 'node:module'
import { readFile } from 'node:fs/promises'
import packaged from '@jitl/quickjs-wasmfile-release-sync'
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from 'quickjs-emscripten-core'
import { shortened } from '../cut-text.ts'
import { excessOf } from '../json-shape.ts'
import {
  CODE_MEMORY_BYTES,
  CODE_STACK_BYTES,
  LIMITS,
  MAX_CODE_RESULT_DEPTH,
  readableBytes,
  utf8Bytes,
} from '../limits.ts'
import { ownClock, processorMs } from '../threads/processor-time.ts'
import { createLog, type Log } from './log.ts'
import { PRELUDE } from './prelude.ts'
import type { SandboxAnswer, SandboxRequest } from './request.ts'

type Failed = Omit<Extract<SandboxAnswer, { ok: false }>, 'logs' | 'ok'>
type Outcome = { outputText: string } | Failed

const SOURCE_NAME = 'code.js'
const STOP = 'linked'
const MAX_MESSAGE_LENGTH = 500
/** This module is loaded in the thread that evaluates. */
const clock = ownClock()

/** Its types are those of its CommonJS file, where this is wrapped once more. */
const variant = packaged as unknown as QuickJSSyncVariant
/** The types of Node do not know it. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: { compile: (bytes: Uint8Array) => Promise<object> }
}

/** Compiled once per thread. */
export async function loadQuickJs(): Promise<() => Promise<QuickJSWASMModule>> {
  const path = createRequire(import.meta.url).resolve('@jitl/quickjs-wasmfile-release-sync/wasm')
  const wasmModule = await wasm.compile(await readFile(path))
  const compiled = newVariant(variant, { wasmModule })
  return () => newQuickJSWASMModuleFromVariant(compiled)
}

export function evaluate(quickJs: QuickJSWASMModule, request: SandboxRequest): SandboxAnswer {
  const isOver = startTimeout(request.timeoutMs)
  const runtime = quickJs.newRuntime({
    memoryLimitBytes: CODE_MEMORY_BYTES,
    maxStackSizeBytes: CODE_STACK_BYTES,
    interruptHandler: isOver,
  })
  const log = createLog()
  const outcome = guarded(() => {
    const context = runtime.newContext()
    return request.kind === 'check' ? check(context, request.source) : run(context, request, log)
  })
  const logs = log.lines()
  if ('outputText' in outcome) return { ok: true, ...outcome, logs }
  if (!isOver() || outcome.code === 'VALUE_TOO_LARGE') return { ok: false, ...outcome, logs }
  return { ok: false, code: 'CODE_TIMEOUT', message: `it was stopped after ${request.timeoutMs} ms`, logs }
}

/** The clock of the processor costs a look at a file, so it is looked at when the other one is over. */
function startTimeout(timeoutMs: number): () => boolean {
  const wallEndsAtMs = performance.now() + timeoutMs
  const endsAtMs = processorMs(clock) + timeoutMs
  return () => performance.now() > wallEndsAtMs && processorMs(clock) > endsAtMs
}

/** What breaks the machine itself, such as a stack deeper than the thread's, ends the call like any failure. */
function guarded(work: () => Outcome): Outcome {
  try {
    return work()
  } catch (error) {
    return failedWith(error instanceof Error ? `${error.name}: ${error.message}` : String(error), '')
  }
}

/**
 * Compiled and linked, and not run: what a module imports is evaluated before it, and the first import here throws. The
 * engine's own flag for that answers with a value that cannot be told from an error.
 */
function check(context: QuickJSContext, source: string): Outcome {
  context.runtime.setModuleLoader((name) => {
    if (name === SOURCE_NAME) return source
    return name === STOP ? `throw '${STOP}'` : nothingToImport(name)
  })
  const imports = `import '${STOP}'\nimport start from '${SOURCE_NAME}'`
  const linked = context.evalCode(imports, 'check.js', { type: 'module' })
  if (!linked.error) return failedWith('it cannot be checked', '')
  if (context.dump(linked.error) === STOP) return { outputText: 'null' }
  const { text, stack } = errorIn(context, linked.error)
  return failedWith(text, stack)
}

function nothingToImport(name: string): { error: Error } {
  const what = name.slice(0, 80)
  return {
    error: new Error(
      `it imports ${what}, and there is nothing to import here: what it needs has to stand in it`,
    ),
  }
}

function run(context: QuickJSContext, request: Extract<SandboxRequest, { kind: 'run' }>, log: Log): Outcome {
  let outcome: Outcome | undefined
  context.runtime.setModuleLoader(nothingToImport)
  const start = install(context, request, {
    log: log.add,
    report: (kind, text, stack) => {
      outcome ??= reported(kind, text, stack)
    },
  })
  const exported = context.evalCode(request.source, SOURCE_NAME, { type: 'module' })
  if (exported.error) {
    const { text, stack } = errorIn(context, exported.error)
    return failedWith(text, stack)
  }
  const started = context.callFunction(
    start,
    context.undefined,
    exported.value,
    context.newString(request.contextText),
  )
  if (started.error) return failedWith(errorIn(context, started.error).text, '')
  const drained = context.runtime.executePendingJobs()
  if (drained.error) {
    const { text, stack } = errorIn(drained.error.context, drained.error)
    return failedWith(text, stack)
  }
  return outcome ?? failedWith('it waits for a promise that nothing settles', '')
}

interface Host {
  log: (level: string, text: string) => void
  report: (kind: string, text: string, stack: string) => void
}

/** Gives the function that runs a module. */
function install(
  context: QuickJSContext,
  { seed, nowMs }: Extract<SandboxRequest, { kind: 'run' }>,
  { log, report }: Host,
): QuickJSHandle {
  const prelude = context.unwrapResult(context.evalCode(PRELUDE, 'prelude.js', { type: 'global' }))
  const host = context.newObject()
  const text = (handle: QuickJSHandle): string => context.getString(handle)
  const logging = context.newFunction('log', (level, line) => log(text(level), text(line)))
  const reporting = context.newFunction('report', (kind, said, stack) =>
    report(text(kind), text(said), text(stack)),
  )
  context.setProp(host, 'log', logging)
  context.setProp(host, 'report', reporting)
  const words = context.unwrapResult(context.evalCode(JSON.stringify(seedWords(seed)), 'seed.js'))
  const made = context.callFunction(prelude, context.undefined, host, words, context.newNumber(nowMs))
  return context.unwrapResult(made)
}

/** 128 bits in hex as four words. */
function seedWords(seed: string): number[] {
  return [0, 8, 16, 24].map((at) => Number.parseInt(seed.slice(at, at + 8), 16) | 0)
}

function reported(kind: string, text: string, stack: string): Outcome {
  if (kind === 'failed') return failedWith(text, stack)
  if (kind === 'unfit') return { code: 'CODE_FAILED', message: text }
  const bytes = utf8Bytes(text)
  if (bytes > LIMITS.valueBytes) {
    const sizes = `${readableBytes(bytes)}, at most ${readableBytes(LIMITS.valueBytes)}`
    return { code: 'VALUE_TOO_LARGE', message: `the result: ${sizes}` }
  }
  const excess = excessOf(text, { depth: MAX_CODE_RESULT_DEPTH, parts: LIMITS.valueParts })
  if (excess === null) return { outputText: text }
  if (excess === 'depth')
    return { code: 'CODE_FAILED', message: `the result is nested over ${MAX_CODE_RESULT_DEPTH} deep` }
  return { code: 'VALUE_TOO_LARGE', message: `the result: over ${LIMITS.valueParts} values and names` }
}

function errorIn(context: QuickJSContext, error: QuickJSHandle): { text: string; stack: string } {
  const dumped: unknown = context.dump(error)
  if (typeof dumped !== 'object' || dumped === null) return { text: `it threw ${String(dumped)}`, stack: '' }
  const { name = 'Error', message = '', stack = '' } = dumped as Record<string, unknown>
  return { text: `${String(name)}: ${String(message)}`, stack: String(stack) }
}

/** The first place in the author's own source, of all that the stack names. */
function failedWith(text: string, stack: string): Failed {
  // Where there is no memory left, there is none for an error either.
  if (/out of memory/.test(text) || text === 'it threw null')
    return {
      code: 'LIMIT_EXCEEDED',
      message: `the code took over ${readableBytes(CODE_MEMORY_BYTES)} of memory`,
    }
  const [, line, column] = /code\.js:(\d+)(?::(\d+))?/.exec(stack) ?? []
  const where = line === undefined ? '' : ` (line ${line}${column === undefined ? '' : `, column ${column}`})`
  return { code: 'CODE_FAILED', message: shortened(text, MAX_MESSAGE_LENGTH) + where }
}
