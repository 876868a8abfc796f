/**
 * Messages of servers as the SDK can read them. `null`, and an empty list where an object may be, count as absent: whole
 * families of servers write them for what they do not have. What cannot be read as an answer becomes one that says so,
 * so that whoever waits for it is told. Values of a tool are its own: nothing inside of them is touched.
 */
import { DEFAULT_NEGOTIATED_PROTOCOL_VERSION } from '@modelcontextprotocol/sdk/types.js'

type Fields = Record<string, unknown>

/** Methods by the ids of the requests that wait for an answer. */
export type Awaited = ReadonlyMap<string | number, string>

/** Field of a result: why the answer cannot be read. A server that sets it itself only loses its own answer. */
export const UNREADABLE = 'countersign/unreadable'

const INTERNAL_ERROR = -32603
const URL_NEEDED = -32042
const NO_WORDS = 'the server gives no words'

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** For places where an object may be. */
export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

/** Without what counts as absent: `null` in any field, and an empty list in those named. */
export function present(fields: Fields, objects: readonly string[] = []): Fields {
  const isKept = ([name, value]: [string, unknown]): boolean =>
    objects.includes(name) ? !isAbsent(value) : value !== null
  return Object.fromEntries(Object.entries(fields).filter(isKept))
}

/**
 * Of what a server says without being asked nothing is looked at but its progress, and its requests as far as they are
 * answered.
 */
export function isForUs(message: unknown, isAnswered: (method: string) => boolean): boolean {
  if (!isFields(message) || typeof message['method'] !== 'string') return true
  const { id, method } = message
  return isAbsent(id) ? method === 'notifications/progress' : isAnswered(method)
}

/** What is no message stays as it is. */
export function tolerantMessage(message: unknown, awaited: Awaited): unknown {
  if (!isFields(message)) return message
  const { id, method, params, result, error } = message
  if (typeof method === 'string') {
    const told = isFields(params) ? { params: paramsOf(params) } : isAbsent(params) ? {} : { params }
    return { jsonrpc: '2.0', ...(isAbsent(id) ? {} : { id }), method, ...told }
  }
  const isAnswer = 'result' in message || 'error' in message || (!isAbsent(id) && awaited.has(id as string))
  if (!isAnswer) return message
  const whose = isAbsent(id) ? onlyOne(awaited) : id
  const head = { jsonrpc: '2.0', ...(whose === undefined ? {} : { id: whose }) }
  if (!isAbsent(error)) return { ...head, error: errorOf(error) }
  if (!('result' in message)) return { ...head, result: unreadable('neither a result nor an error') }
  return { ...head, result: resultOf(result, awaited.get(whose as string)) }
}

/** An answer without an id is that to the only question there is. */
function onlyOne(awaited: Awaited): string | number | undefined {
  const [id] = awaited.keys()
  return awaited.size === 1 ? id : undefined
}

function paramsOf(params: Fields): Fields {
  return present(params, ['_meta'])
}

/** A code that is no whole number says nothing about what was done, and neither does -32603. */
function errorOf(error: unknown): Fields {
  if (!isFields(error)) return { code: INTERNAL_ERROR, message: wordsOf(error) }
  const { code, message, data } = error
  const isCode = Number.isSafeInteger(Number(code)) && !isAbsent(code) && code !== ''
  const read = isCode ? Number(code) : INTERNAL_ERROR
  const words = wordsOf(message ?? error['detail'] ?? (isCode ? undefined : code))
  return { code: read, message: words + linksOf(read, data), ...(data === null ? {} : { data }) }
}

function wordsOf(said: unknown): string {
  if (typeof said === 'string' && said !== '') return said
  return isAbsent(said) || said === '' ? NO_WORDS : JSON.stringify(said)
}

/** What a person has to open is no use to anybody inside of data. */
function linksOf(code: number, data: unknown): string {
  if (code !== URL_NEEDED || !isFields(data) || !Array.isArray(data['elicitations'])) return ''
  const urls = data['elicitations'].flatMap((one) =>
    isFields(one) && typeof one['url'] === 'string' ? [one['url']] : [],
  )
  return urls.length === 0 ? '' : `; open ${urls.join(' and ')}`
}

function resultOf(result: unknown, method: string | undefined): Fields {
  if (isAbsent(result)) return method === 'initialize' ? initialized({}) : {}
  if (!isFields(result)) return unreadable(`the result is ${kindOf(result)}, and no object`)
  if (method === 'initialize') return initialized(result)
  const { content, tools, ...rest } = result
  const lists = {
    ...(Array.isArray(content) ? { content: content.filter((block) => block !== null) } : { content }),
    ...(Array.isArray(tools) || tools !== null ? { tools } : { tools: [] }),
  }
  const known = present({ ...rest, ...lists }, ['_meta', 'structuredContent', 'task'])
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
}

/** We use nothing of it but the version, and that only to say it again. */
function initialized({ protocolVersion, serverInfo }: Fields): Fields {
  const { name, version } = isFields(serverInfo) ? serverInfo : {}
  return {
    protocolVersion:
      typeof protocolVersion === 'string' ? protocolVersion : DEFAULT_NEGOTIATED_PROTOCOL_VERSION,
    capabilities: {},
    serverInfo: { name: String(name ?? ''), version: String(version ?? '') },
  }
}

function unreadable(why: string): Fields {
  return { [UNREADABLE]: why }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`
}

/** Not every POST during a call is the call: the client also answers pings of the server, which have no method. */
export function messageIn(body: RequestInit['body']): { method?: string; id?: string | number } {
  if (typeof body !== 'string') return {}
  const message: unknown = JSON.parse(body)
  return isFields(message) ? message : {}
}
