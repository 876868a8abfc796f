/** `countersign principals`: who acts here, with which roles, and who no longer does. `keys create` makes them. */
import { Option, type Command } from 'commander'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { printFields, printJson, printTable } from '../output.ts'
import { keyState } from '../render/words.ts'

type Principal = OperationOutput<Operations['getPrincipal']>

const KINDS = ['person', 'service', 'agent'] as const

interface PrincipalListOptions extends ApiOptions, ListOptions<never> {
  kind?: (typeof KINDS)[number]
  role?: string
}

export function registerPrincipals(program: Command): void {
  const principals = describedCommand(program, {
    usage: 'principals',
    summary: 'look at who acts here, set roles, disable who has left',
    examples: ['principals list'],
  })
  addListOptions(
    apiCommand(principals, {
      usage: 'list',
      summary: 'list principals by id',
      examples: ['principals list --role billing-lead', 'principals list --kind agent'],
    })
      .addOption(new Option('--kind <kind>', 'only these').choices(KINDS))
      .option('--role <role>', 'only those with this role'),
    { maxLimit: 500 },
  ).action(list)
  apiCommand(principals, {
    usage: 'show <principal>',
    summary: 'show a principal with its roles and keys',
    examples: ['principals show lena@example.org'],
  }).action(show)
  registerChanges(principals)
}

function registerChanges(principals: Command): void {
  apiCommand(principals, {
    usage: 'set-roles <principal> [role...]',
    summary: 'replace the roles of a principal',
    examples: [
      'principals set-roles lena@example.org finance',
      'principals set-roles lena@example.org --none',
    ],
  })
    .option('--none', 'take all roles away')
    .action(setRoles)
  apiCommand(principals, {
    usage: 'disable <principal>',
    summary: 'shut a principal out at once: no key works, no decision counts for a write that is not sent',
    examples: ['principals disable lena@example.org'],
  }).action(async (id: string, options: ApiOptions) => {
    tell(await openApi(options).disablePrincipal({ principal_id: id }), options)
  })
  apiCommand(principals, {
    usage: 'enable <principal>',
    summary: 'let a disabled principal in again, with the roles and keys they had',
    examples: ['principals enable lena@example.org'],
  }).action(async (id: string, options: ApiOptions) => {
    tell(await openApi(options).enablePrincipal({ principal_id: id }), options)
  })
}

async function setRoles(
  id: string,
  roles: string[],
  options: ApiOptions & { none?: boolean },
): Promise<void> {
  if ((roles.length === 0) !== (options.none === true)) {
    throw new UsageError('Name the roles that the principal is to have, or --none.')
  }
  tell(await openApi(options).setPrincipalRoles({ principal_id: id, roles }), options)
}

async function list(options: PrincipalListOptions): Promise<void> {
  const { kind, role } = options
  const page = await openApi(options).listPrincipals({
    ...listQuery(options),
    ...(kind === undefined ? {} : { kind }),
    ...(role === undefined ? {} : { role }),
  })
  if (options.json) return printJson(page)
  const rows = page.items.map((each) => [
    each.id,
    each.kind,
    each.roles.join(', '),
    each.display_name,
    each.disabled_at === null ? 'active' : `disabled ${each.disabled_at}`,
  ])
  printTable(['PRINCIPAL', 'KIND', 'ROLES', 'NAME', 'STATE'], rows, 'There are no such principals.')
  tellNextPage(page.next_cursor)
}

async function show(id: string, options: ApiOptions): Promise<void> {
  const client = openApi(options)
  const found = await client.getPrincipal({ principal_id: id })
  const { items: keys } = await client.listKeys({ principal: id, limit: 500 })
  if (options.json) return printJson({ ...found, keys })
  printFields([
    ...principalFields(found),
    ...keys.map((key) => ['Key', `${key.id}, may ${key.scopes.join(', ')}, ${keyState(key)}`] as const),
  ])
}

function tell(principal: Principal, options: ApiOptions): void {
  if (options.json) return printJson(principal)
  printFields(principalFields(principal))
}

function principalFields(principal: Principal): (readonly [string, string])[] {
  return [
    ['Principal', `${principal.id} (${principal.kind})`],
    ['Name', principal.display_name],
    ['Roles', principal.roles.join(', ') || 'none'],
    ['Since', principal.created_at],
    ...(principal.disabled_at === null ? [] : [['Disabled', principal.disabled_at] as const]),
  ]
}
