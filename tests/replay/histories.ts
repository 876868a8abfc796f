/**
 * Recorded histories on disk, as `temporal workflow show -o json` gives them, without what belongs to the machine that
 * recorded them. Replay reads types, ids and payloads; hosts, stacks and builds it does not.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const HISTORIES_FOLDER = fileURLToPath(new URL('./histories/', import.meta.url))
/** Histories whose names begin so must not fit our code. */
export const WRONG_PREFIX = 'wrong-'

export interface RecordedHistory {
  /** Of the file, without `.json`. */
  name: string
  workflowId: string
  history: { events: HistoryEvent[] }
}

export type HistoryEvent = Record<string, unknown> & { eventType: string }

export function readHistories(): RecordedHistory[] {
  const files = readdirSync(HISTORIES_FOLDER).filter((file) => file.endsWith('.json'))
  return files.sort().map((file) => {
    const history = JSON.parse(
      readFileSync(join(HISTORIES_FOLDER, file), 'utf8'),
    ) as RecordedHistory['history']
    return { name: file.slice(0, -'.json'.length), workflowId: workflowIdOf(history), history }
  })
}

export function writeHistory({ name, history }: Pick<RecordedHistory, 'name' | 'history'>): void {
  // An event a line: what differs between two recordings can be read.
  const lines = history.events.map((event) => JSON.stringify(portable(event)))
  writeFileSync(join(HISTORIES_FOLDER, `${name}.json`), `{"events":[\n${lines.join(',\n')}\n]}\n`)
}

/** Of the execution, as its first event says. */
export function workflowIdOf(history: RecordedHistory['history']): string {
  const started = history.events[0]?.['workflowExecutionStartedEventAttributes']
  return String((started as { workflowId?: unknown } | undefined)?.workflowId)
}

export function workflowTypeOf(history: RecordedHistory['history']): string {
  const started = history.events[0]?.['workflowExecutionStartedEventAttributes']
  return String((started as { workflowType?: { name?: unknown } } | undefined)?.workflowType?.name)
}

/** Fields that say where something ran. `sdkMetadata` stays: its flags decide how strictly the SDK compares. */
const LOCAL_FIELDS = new Set([
  'identity',
  'stackTrace',
  'buildId',
  'binaryChecksum',
  'workerVersion',
  'workerControlTaskQueue',
])

function portable<T>(value: T): T {
  return withoutLocals(value) as T
}

function withoutLocals(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutLocals)
  if (typeof value === 'string') return value.replace(/^countersign-w\w+$/, 'countersign')
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).filter(([name]) => !LOCAL_FIELDS.has(name))
  return Object.fromEntries(entries.map(([name, field]) => [name, withoutLocals(field)]))
}
