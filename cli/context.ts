/**
 * Which API a command talks to, and as whom: flag, then environment, then what `countersign dev` has noted. The noted
 * key is sent to the noted address only, never to one that somebody named.
 */
import { Option, type Command } from 'commander'
import { hostEnvironment } from '../scripts/stack/host-environment.ts'
import { createClient, type Client } from '../sdk/client/index.ts'
import type { Config } from '../config.ts'
import { DEFAULT_DATA_DIR, readDevState, type DevState } from './dev/state.ts'
import { readConfig } from './config.ts'
import { UsageError } from './errors.ts'

export interface ApiOptions {
  url?: string
  key?: string
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
    .option('--url <url>', 'address of the API (else COUNTERSIGN_URL, else what `countersign dev` noted)')
    .option('--key <key>', 'API key (else COUNTERSIGN_API_KEY, else the one of `countersign dev`)')
    .addOption(dataOption())
    .option('--json', 'print what the API answers, as JSON')
}

export function dataOption(): Option {
  return new Option('--data <folder>', 'data folder of `countersign dev`').default(DEFAULT_DATA_DIR)
}

export function openApi(options: ApiOptions): Client {
  const noted = readDevState(options.data)
  const config = apiConfig(options, noted)
  const origin = originOf(config.apiUrl)
  const notedKey =
    noted !== undefined && originOf(noted.url) === origin ? noted.keys[noted.organization] : undefined
  const apiKey = config.apiKey ?? notedKey
  if (apiKey === undefined) {
    throw new UsageError(
      `There is no API key for ${origin}.`,
      'Start `countersign dev` in this folder, or set COUNTERSIGN_API_KEY (and COUNTERSIGN_URL), or use --key.',
    )
  }
  return createClient({ baseUrl: config.apiUrl, apiKey })
}

/** Address of the API, for what it tells without a key. */
export function apiUrlOf(options: ApiOptions): string {
  return originOf(apiConfig(options, readDevState(options.data)).apiUrl)
}

function apiConfig(options: ApiOptions, noted: DevState | undefined): Config {
  const fallback = noted === undefined ? {} : { COUNTERSIGN_URL: noted.url }
  return readConfig(
    {
      ...(options.url === undefined ? {} : { apiUrl: options.url }),
      ...(options.key === undefined ? {} : { apiKey: options.key }),
    },
    { DATABASE_URL: 'not used here', ...fallback, ...hostEnvironment() },
  )
}

function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new UsageError(`${url} is not the address of an API.`, 'Use one such as http://127.0.0.1:8700.')
  }
  return parsed.origin
}
