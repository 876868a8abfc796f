/**
 * Which API a command talks to, and as whom: flag, then named context, then environment, then what `countersign dev`
 * has noted here, then the current context. A key that was kept is sent to its own address only, never to one that
 * somebody named.
 */
import { Option, type Command } from 'commander'
import { hostEnvironment } from '../scripts/stack/host-environment.ts'
import { createClient, type Client } from '../sdk/client/index.ts'
import { readConfigHere } from './config.ts'
import { currentContext, readContexts, requireContext } from './contexts.ts'
import { DEFAULT_DATA_DIR, readDevState } from './dev/state.ts'
import { UsageError } from './errors.ts'
import { takingPrefixes } from './prefixes.ts'

export interface ApiOptions {
  url?: string
  key?: string
  context?: string
  data: string
  json?: boolean
}

export interface CommandText {
  /** Name and arguments, as commander reads them. */
  usage: string
  summary: string
  /** Command lines without the leading `countersign`. */
  examples: readonly string[]
}

export const PRECEDENCE_HELP = `
Which server, and as whom; the first that says it:
  1. --url and --key
  2. --context NAME
  3. COUNTERSIGN_URL and COUNTERSIGN_API_KEY
  4. what \`countersign dev\` has noted in this folder (--data)
  5. the current context: \`countersign login\`, \`countersign contexts use\`
  6. http://127.0.0.1:8700, for which there is no key
A key that was kept (2, 4, 5) is sent to its own address only.`

/** A command of the CLI with a description and an example, as all have. */
export function describedCommand(parent: Command, text: CommandText): Command {
  const examples = text.examples.map((example) => `  $ countersign ${example}`).join('\n')
  return parent
    .command(text.usage)
    .description(text.summary)
    .addHelpText('after', `\nExample${text.examples.length > 1 ? 's' : ''}:\n${examples}`)
}

/** A command that talks to the API. */
export function apiCommand(parent: Command, text: CommandText): Command {
  return describedCommand(parent, text)
    .option('--context <name>', 'use this context instead of the current one')
    .option('--url <url>', 'address of the API (see `countersign --help` for what is used without)')
    .option('--key <key>', 'API key')
    .addOption(dataOption())
    .option('--json', 'print what the API answers, as JSON')
}

export function dataOption(): Option {
  return new Option('--data <folder>', 'data folder of `countersign dev`').default(DEFAULT_DATA_DIR)
}

export interface Target {
  /** Without a path. */
  origin: string
  apiKey: string | undefined
  /** For people: who says that it is this one. */
  addressFrom: string
  keyFrom: string
}

export function openApi(options: ApiOptions): Client {
  const { origin, apiKey } = targetOf(options)
  if (apiKey === undefined) throw noKey(origin)
  return takingPrefixes(createClient({ baseUrl: origin, apiKey }))
}

export function noKey(origin: string): UsageError {
  return new UsageError(
    `There is no API key for ${origin}.`,
    'Start `countersign dev` in this folder, or `countersign login`, or set COUNTERSIGN_API_KEY (and COUNTERSIGN_URL).',
  )
}

interface Said {
  value: string | undefined
  from: string
}

interface Kept {
  url: string
  key: string | undefined
  from: string
}

export function targetOf(options: ApiOptions): Target {
  const config = readConfigHere({}, hostEnvironment())
  const named = options.context === undefined ? undefined : keptContext(options.context)
  const isUrlSet = hostEnvironment()['COUNTERSIGN_URL'] !== undefined
  const kept = [notedByDev(options.data), keptContext()].filter((each) => each !== undefined)
  const address = firstSaid([
    { value: options.url, from: '--url' },
    { value: named?.url, from: named?.from ?? '' },
    { value: isUrlSet ? config.apiUrl : undefined, from: 'COUNTERSIGN_URL' },
    ...kept.map(({ url, from }) => ({ value: url, from })),
    { value: config.apiUrl, from: 'default' },
  ])
  const origin = originOf(address.value ?? '')
  const key = firstSaid([
    { value: options.key, from: '--key' },
    ...(named ? [keyFor(origin, named)] : []),
    { value: config.apiKey, from: 'COUNTERSIGN_API_KEY' },
    ...kept.map((each) => keyFor(origin, each)),
  ])
  return { origin, apiKey: key.value, addressFrom: address.from, keyFrom: key.from }
}

function firstSaid(candidates: readonly Said[]): Said {
  return candidates.find(({ value }) => value !== undefined) ?? { value: undefined, from: 'nobody' }
}

function keyFor(origin: string, { url, key, from }: Kept): Said {
  return { value: originOf(url) === origin ? key : undefined, from }
}

function notedByDev(dataDir: string): Kept | undefined {
  const noted = readDevState(dataDir)
  if (noted === undefined) return undefined
  return { url: noted.url, key: noted.keys[noted.organization], from: `countersign dev (${dataDir})` }
}

/** The current one unless named. */
function keptContext(name?: string): Kept | undefined {
  const found = name === undefined ? currentContext(readContexts()) : requireContext(readContexts(), name)
  return found && { url: found.url, key: found.key, from: `context ${found.name}` }
}

export function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new UsageError(`${url} is not the address of an API.`, 'Use one such as http://127.0.0.1:8700.')
  }
  return parsed.origin
}
