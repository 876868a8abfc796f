/** `countersign principals`: who acts here, and with which roles. Roles are given with `keys create`. */
import { Option, type Command } from 'commander'
import { CodedError } from '../../schemas/errors.ts'
import { itemsOf } from '../../sdk/client/index.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { printFields, printJson, printTable } from '../output.ts'

const KINDS = ['person', 'service', 'agent'] as const

interface PrincipalListOptions extends ApiOptions, ListOptions<never> {
  kind?: (typeof KINDS)[number]
  role?: string
}

export function registerPrincipals(program: Command): void {
  const principals = describedCommand(program, {
    usage: 'principals',
    summary: 'look at who acts here, and with which roles',
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
  let found
  for await (const each of itemsOf(client.listPrincipals, { limit: 500 })) {
    if (each.id === id) found = each
  }
  if (!found) {
    throw new CodedError(
      'NOT_FOUND',
      `There is no principal ${id}.\nLook at \`countersign principals list\`.`,
    )
  }
  const { items: keys } = await client.listKeys({ principal: id, limit: 500 })
  if (options.json) return printJson({ ...found, keys })
  printFields([
    ['Principal', `${found.id} (${found.kind})`],
    ['Name', found.display_name],
    ['Roles', found.roles.join(', ') || 'none'],
    ['Since', found.created_at],
    ...(found.disabled_at === null ? [] : [['Disabled', found.disabled_at] as const]),
    ...keys.map((key) => {
      const state = key.revoked_at === null ? 'valid' : `revoked ${key.revoked_at}`
      return ['Key', `${key.id}, may ${key.scopes.join(', ')}, ${state}`] as const
    }),
  ])
}
