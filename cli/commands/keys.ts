/** `countersign keys`: API keys and the principals they stand for, and the public keys that receipts are checked with. */
import { Option, type Command } from 'commander'
import { KeyScopeSchema } from '../../schemas/operations/keys.ts'
import type { OperationInput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { ensureKeys, loadTrustedKeys, publicKeysFile, retireKey } from '../../lib/keys.ts'
import type { TrustedKey } from '../../lib/dsse.ts'
import { hostEnvironment } from '../../scripts/stack/host-environment.ts'
import { readConfigHere } from '../config.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { addListOptions, listQuery, tellNextPage, timeAfter, toTime, type ListOptions } from '../filters.ts'
import { note, printFields, printJson, printLine, printTable, visible } from '../output.ts'
import { keyState } from '../render/words.ts'

type CreateInput = OperationInput<Operations['createKey']>

interface CreateOptions extends ApiOptions {
  principal: string
  kind: CreateInput['principal']['kind']
  name?: string
  role?: string[]
  scope: CreateInput['scopes']
  /** A time: the option takes a duration. */
  expiresIn?: string
}

export function registerKeys(program: Command): void {
  const keys = describedCommand(program, {
    usage: 'keys',
    summary: 'API keys, and the public keys of receipts',
    examples: ['keys list'],
  })
  addListOptions(
    apiCommand(keys, {
      usage: 'list',
      summary: 'list API keys, oldest first',
      examples: ['keys list', 'keys list --principal lena@example.org --state active'],
    }).option('--principal <id>', 'only those of this principal'),
    { states: ['active', 'expired', 'revoked', 'all'], maxLimit: 500 },
  ).action(list)
  apiCommand(keys, {
    usage: 'show <key-id>',
    summary: 'show an API key, without the key itself',
    examples: ['keys show key_91ab…'],
  }).action(show)
  registerCreate(keys)
  registerInit(keys)
  registerRetire(keys)
  apiCommand(keys, {
    usage: 'revoke <key-id>',
    summary: 'revoke an API key at once',
    examples: ['keys revoke key_91ab…'],
  }).action(revoke)
  apiCommand(keys, {
    usage: 'public',
    summary: 'print the public keys that `receipts verify --keys` needs',
    examples: ['keys public > public.json'],
  }).action(printPublicKeys)
}

function registerCreate(keys: Command): void {
  apiCommand(keys, {
    usage: 'create',
    summary: 'make an API key for a person, service or agent, who is created if need be; it is shown once',
    examples: [
      'keys create --principal bea@example.org --role billing-lead --scope read approve',
      'keys create --principal temp@example.org --scope read --expires-in 30d',
      'keys create --principal connection/billing --kind service --scope trigger',
    ],
  })
    .requiredOption('--principal <id>', 'id or address of whom it is for')
    .addOption(
      new Option('--kind <kind>', 'what the principal is; only a person can approve')
        .choices(['person', 'service', 'agent'])
        .default('person'),
    )
    .option('--name <text>', 'display name')
    .option('--role <role...>', 'replace the roles of the principal')
    .addOption(
      new Option('--scope <scope...>', 'what the key may do')
        .choices(KeyScopeSchema.options)
        .makeOptionMandatory(),
    )
    .option('--expires-in <duration>', 'how long it is valid: 12h, 30d (else until it is revoked)', timeAfter)
    .action(create)
}

function registerInit(keys: Command): void {
  describedCommand(keys, {
    usage: 'init',
    summary:
      'make the signing keys of a deployment: the API needs decision.key.pem, the worker receipt.key.pem, both ' +
      'public.json. Keys that are there stay',
    examples: ['keys init --folder /etc/countersign/keys'],
  })
    .option('--folder <folder>', 'where to (else COUNTERSIGN_KEYS_DIR, else .countersign/keys)')
    .option('--json', 'print them as JSON')
    .action(initKeys)
}

function registerRetire(keys: Command): void {
  describedCommand(keys, {
    usage: 'retire <key-id>',
    summary:
      'say in public.json that a signing key counts no more: what it has signed lets nothing happen, and what is dated ' +
      'later proves nothing. Needs a newer key for the same purpose',
    examples: [
      'keys retire 91ab04c27de35f68 --folder /etc/countersign/keys',
      'keys retire 91ab04c27de35f68 --at 2026-11-02T08:00:00Z',
    ],
  })
    .option(
      '--at <time>',
      'when it was lost, if that was earlier (else now): a time, or a duration ago',
      toTime,
    )
    .option('--folder <folder>', 'where public.json is (else COUNTERSIGN_KEYS_DIR, else .countersign/keys)')
    .option('--json', 'print all keys as JSON')
    .action(retire)
}

interface FolderOptions {
  folder?: string
  json?: boolean
}

/** On this machine alone: no key goes over a network, and no API has to be there. */
async function initKeys(options: FolderOptions): Promise<void> {
  const keysFolder = keysFolderOf(options)
  ensureKeys(keysFolder)
  tellKeys(keysFolder, loadTrustedKeys(publicKeysFile(keysFolder)), options)
  if (options.json) return
  note(`In ${keysFolder}. Give the API decision.key.pem, the worker receipt.key.pem, and both public.json.`)
}

async function retire(keyId: string, options: FolderOptions & { at?: string }): Promise<void> {
  const keysFolder = keysFolderOf(options)
  const at = options.at === undefined ? new Date() : new Date(options.at)
  if (at.getTime() > Date.now())
    throw new UsageError('--at is in the future: a key is retired now, or before.')
  tellKeys(keysFolder, retired(keysFolder, { keyId, at }), options)
  if (!options.json)
    note(
      'Hand public.json to all processes. Workers read it at each use; restart the API, and whoever waits is asked again.',
    )
}

function retired(keysFolder: string, key: { keyId: string; at: Date }): TrustedKey[] {
  try {
    return retireKey(keysFolder, key)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function keysFolderOf({ folder }: FolderOptions): string {
  return readConfigHere(folder === undefined ? {} : { keysFolder: folder }, hostEnvironment()).keysFolder
}

function tellKeys(folder: string, keys: readonly TrustedKey[], { json }: FolderOptions): void {
  const shown = keys.map(({ keyId, purpose, retiredAt }) => ({
    keyId,
    purpose,
    retiredAt: retiredAt ?? null,
  }))
  if (json) return printJson({ folder, keys: shown })
  printTable(
    ['KEY', 'SIGNS', 'STATE'],
    shown.map(({ keyId, purpose, retiredAt }) => [
      keyId,
      `${purpose}s`,
      retiredAt === null ? 'in use' : `retired ${retiredAt}`,
    ]),
    'There are no keys.',
  )
}

interface KeyListOptions extends ApiOptions, ListOptions<'active' | 'expired' | 'revoked' | 'all'> {
  principal?: string
}

async function list(options: KeyListOptions): Promise<void> {
  const { principal } = options
  const page = await openApi(options).listKeys({
    ...listQuery(options),
    ...(principal === undefined ? {} : { principal }),
  })
  if (options.json) return printJson(page)
  const rows = page.items.map((key) => [
    key.id,
    key.principal,
    key.roles.join(', '),
    key.scopes.join(', '),
    keyState(key),
  ])
  printTable(['KEY', 'PRINCIPAL', 'ROLES', 'SCOPES', 'STATE'], rows, 'There are no keys.')
  tellNextPage(page.next_cursor)
}

async function show(keyId: string, options: ApiOptions): Promise<void> {
  const key = await openApi(options).getKey({ key_id: keyId })
  if (options.json) return printJson(key)
  printFields([
    ['Key', key.id],
    ['Principal', key.principal],
    ['Roles', key.roles.join(', ') || 'none'],
    ['Scopes', key.scopes.join(', ')],
    ['Since', key.created_at],
    ['State', keyState(key)],
  ])
}

/** The key alone goes to standard output, so that it can be kept without its surroundings. */
async function create(options: CreateOptions): Promise<void> {
  const made = await openApi(options).createKey({
    principal: {
      id: options.principal,
      kind: options.kind,
      ...(options.name === undefined ? {} : { display_name: options.name }),
      ...(options.role === undefined ? {} : { roles: options.role }),
    },
    scopes: options.scope,
    ...(options.expiresIn === undefined ? {} : { expires_at: options.expiresIn }),
  })
  if (options.json) return printJson(made)
  const roles = made.roles.length === 0 ? 'no roles' : `roles ${made.roles.join(', ')}`
  const validity = made.expires_at === null ? 'valid until revoked' : `valid until ${made.expires_at}`
  note(
    `${made.id} for ${visible(made.principal)} (${roles}; scopes ${made.scopes.join(', ')}; ${validity}). It is shown this once:`,
  )
  printLine(made.key)
}

async function revoke(keyId: string, options: ApiOptions): Promise<void> {
  const answer = await openApi(options).revokeKey({ key_id: keyId })
  if (options.json) return printJson(answer)
  printLine(`${answer.id}: revoked.`)
}

/** In the form of the deployment's own `public.json`. */
async function printPublicKeys(options: ApiOptions): Promise<void> {
  const answer = await openApi(options).getKeys()
  if (options.json) return printJson(answer)
  printJson(
    answer.keys.map(({ key_id, purpose, public_key, retired_at }) => ({
      keyId: key_id,
      purpose,
      publicKey: public_key,
      ...(retired_at === null ? {} : { retiredAt: retired_at }),
    })),
  )
}
