/**
 * `countersign login`, `logout` and `whoami`. A key is kept after the server has said whose it is, and never printed.
 * From a terminal it is read without showing it.
 */
import { Option, type Command } from 'commander'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { ApiError, createClient } from '../../sdk/client/index.ts'
import { apiCommand, describedCommand, openApi, originOf, PRECEDENCE_HELP, targetOf } from '../context.ts'
import type { ApiOptions } from '../context.ts'
import { assertContextName, currentContext, readContexts, writeContexts, type Context } from '../contexts.ts'
import { UsageError } from '../errors.ts'
import { note, printFields, printJson, printLine, visible } from '../output.ts'
import { forget, warnIfHidden } from './contexts.ts'

interface LoginOptions {
  url: string
  /** As `--url` was called before. */
  server?: string
  key?: string
  name?: string
  json?: boolean
}

export function registerLogin(program: Command): void {
  describedCommand(program, {
    usage: 'login',
    summary: 'check an API key with a server, and keep it as a context',
    examples: [
      'login --url https://countersign.example.org < key.txt',
      'login --url https://staging.example.org --name staging',
    ],
  })
    .option('--url <url>', 'address of the API', 'http://127.0.0.1:8700')
    .addOption(new Option('--server <url>', 'the same').hideHelp())
    .option(
      '--key <key>',
      'API key (else asked for, or read from standard input, where no process list shows it)',
    )
    .option('--name <name>', 'name of the context (default: host and port of the server)')
    .option('--json', 'print it as JSON')
    .addHelpText('after', PRECEDENCE_HELP)
    .action(login)
  describedCommand(program, {
    usage: 'logout [name]',
    summary: 'forget a context, the current one unless named; its key stays valid until it is revoked',
    examples: ['logout', 'logout staging'],
  })
    .option('--json', 'print it as JSON')
    .action(logout)
  apiCommand(program, {
    usage: 'whoami',
    summary: 'say which server would be asked, as whom, and what says so',
    examples: ['whoami', 'whoami --context staging'],
  }).action(whoAmI)
}

async function login(options: LoginOptions): Promise<void> {
  const url = originOf(options.server ?? options.url)
  const name = options.name ?? new URL(url).host
  assertContextName(name)
  const key = (options.key ?? (await readKey(url))).trim()
  if (!/^[!-~]+$/.test(key))
    throw new UsageError('There is no key.', 'Give it with --key or on standard input.')
  warnInTheClear(url)
  const context = { url, key, ...(await checked(url, key)) }
  const contexts = readContexts()
  writeContexts({ current: name, contexts: { ...contexts.contexts, [name]: context } })
  const { organization, principal } = context
  if (options.json) return printJson({ name, url, organization, principal, current: true })
  printLine(
    `Logged in to ${url} as ${visible(principal)} of ${visible(organization)}; the context is ${name}.`,
  )
  warnIfHidden()
}

/** A key that is not for reading is a key all the same: the server has looked it up to know that. */
async function checked(url: string, key: string): Promise<Pick<Context, 'organization' | 'principal'>> {
  try {
    const { organization, principal } = await createClient({ baseUrl: url, apiKey: key }).whoAmI()
    return { organization, principal }
  } catch (error) {
    if (error instanceof ApiError && error.code === 'FORBIDDEN') {
      return { organization: '?', principal: '? (the key may not read)' }
    }
    throw error
  }
}

function warnInTheClear(url: string): void {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return
  note(`${url} is not encrypted: whoever is between sees the key.`)
}

async function readKey(url: string): Promise<string> {
  if (!process.stdin.isTTY) return readFileSync(0, 'utf8')
  process.stderr.write(`API key for ${url} (it is not shown): `)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
  terminal.once('SIGINT', () => terminal.close())
  try {
    return await Promise.race([terminal.question(''), closed])
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}

function logout(name: string | undefined, options: { json?: boolean }): void {
  const known = name ?? currentContext(readContexts())?.name
  if (known === undefined)
    throw new UsageError('There is no current context.', 'Look at `countersign contexts list`.')
  const removed = forget(known)
  if (options.json) return printJson(removed)
  printLine(`${removed.name} is forgotten. Its key stays valid until it is revoked: countersign keys revoke`)
}

async function whoAmI(options: ApiOptions): Promise<void> {
  const { origin, addressFrom, keyFrom } = targetOf(options)
  const caller = await openApi(options).whoAmI()
  if (options.json) return printJson({ url: origin, url_from: addressFrom, key_from: keyFrom, ...caller })
  printFields([
    ['Server', `${origin} (from ${addressFrom})`],
    ['Principal', `${caller.principal} (${caller.kind}) of ${caller.organization}`],
    ['Roles', caller.roles.join(', ') || 'none'],
    ['Key', `${caller.key_id} (from ${keyFrom}), may ${caller.scopes.join(', ')}`],
  ])
}
