/** `countersign connections`: what they offer, and the emergency brake. */
import { Option, type Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { note, printFields, printJson, printLine, printTable } from '../output.ts'
import { counted, cut, durationText } from '../render/words.ts'

type State = OperationOutput<Operations['getConnectionState']>

const TYPES = ['mcp', 'postgres'] as const
const DESCRIPTION_WIDTH = 60

export function registerConnections(program: Command): void {
  const connections = describedCommand(program, {
    usage: 'connections',
    summary:
      'look at connections and what they offer, stop all writes through one, and let them through again',
    examples: ['connections list', 'connections freeze billing --reason "wrong amounts"'],
  })
  addListOptions(
    apiCommand(connections, {
      usage: 'list',
      summary: 'list connections by name, with whether they are frozen',
      examples: ['connections list', 'connections list --state frozen'],
    }).addOption(new Option('--type <type>', 'only these').choices(TYPES)),
    { states: ['open', 'frozen'], maxLimit: 500 },
  ).action(list)
  apiCommand(connections, {
    usage: 'show <connection>',
    summary: 'show where a connection leads, whether it is frozen, and which writes that holds',
    examples: ['connections show billing'],
  }).action(show)
  apiCommand(connections, {
    usage: 'tools <connection>',
    summary:
      'list its tools as its server last described them: whether each reads or writes, and who calls it',
    examples: ['connections tools billing'],
  }).action(tools)
  apiCommand(connections, {
    usage: 'check <connection>',
    summary: 'ask its server now, on a worker, for its tools',
    examples: ['connections check billing'],
  }).action(check)
  registerBrake(connections)
}

function registerBrake(connections: Command): void {
  apiCommand(connections, {
    usage: 'freeze <connection>',
    summary: 'send no write through a connection any more; readings go on',
    examples: ['connections freeze billing --reason "wrong amounts"'],
  })
    .option('--reason <text>', 'for those who wonder why their writes are held', '')
    .action(freeze)
  apiCommand(connections, {
    usage: 'thaw <connection>',
    summary: 'let writes through again; those that were held go on by themselves',
    examples: ['connections thaw billing'],
  }).action(thaw)
}

interface ConnectionListOptions extends ApiOptions, ListOptions<'open' | 'frozen'> {
  type?: (typeof TYPES)[number]
}

async function list(options: ConnectionListOptions): Promise<void> {
  const { state, ...filters } = listQuery(options)
  const { type } = options
  const page = await openApi(options).listConnections({
    ...filters,
    ...(type === undefined ? {} : { type }),
    ...(state === undefined ? {} : { frozen: state === 'frozen' ? ('true' as const) : ('false' as const) }),
  })
  if (options.json) return printJson(page)
  const rows = page.items.map(({ name, type: kind, revision, frozen }) => [
    name,
    kind,
    String(revision),
    frozen === null ? 'open' : `frozen since ${frozen.at} by ${frozen.by}`,
  ])
  printTable(['CONNECTION', 'TYPE', 'REVISION', 'WRITES'], rows, 'There are no such connections.')
  tellNextPage(page.next_cursor)
}

async function show(name: string, options: ApiOptions): Promise<void> {
  tell(await openApi(options).getConnectionState({ name }), options)
}

const SAYS: Record<'connection' | 'server' | 'nobody', string> = {
  connection: 'says the connection',
  server: 'says its server, which is trusted',
  nobody: 'nobody says otherwise',
}

async function tools(name: string, options: ApiOptions): Promise<void> {
  const answer = await openApi(options).listConnectionTools({ name })
  if (options.json) return printJson(answer)
  const rows = answer.tools.map((tool) => [
    tool.tool,
    `${tool.class} (${SAYS[tool.class_from]})`,
    tool.definition_sha256.slice(0, 12),
    tool.pinned_by
      .map(({ automation, changed }) => `${automation}${changed ? ' (changed since)' : ''}`)
      .join(', '),
    cut(tool.description, DESCRIPTION_WIDTH),
  ])
  const none = `Nobody has asked for its tools yet: countersign connections check ${shellWord(name)}`
  printTable(['TOOL', 'CLASS', 'DEFINITION', 'CALLED BY', 'DESCRIPTION'], rows, none)
  if (answer.tools.some(({ class_from }) => class_from === 'nobody')) {
    note(
      'A tool of which nobody says that it reads counts as a write: `class: read` under `tools` of the connection.',
    )
  }
}

async function check(name: string, options: ApiOptions): Promise<void> {
  const answer = await openApi(options).checkConnection({ name })
  if (options.json) return printJson(answer)
  const { type, tools: count, took_ms: tookMs } = answer
  printLine(
    type === 'mcp'
      ? `${name}: its server answers a worker, with ${counted(count, 'tool', 'tools')}, in ${durationText(tookMs)}.`
      : `${name}: its secrets and its address are right; whether the database answers shows with the first use.`,
  )
}

async function freeze(name: string, options: ApiOptions & { reason: string }): Promise<void> {
  tell(await openApi(options).freezeConnection({ name, reason: options.reason }), options)
}

async function thaw(name: string, options: ApiOptions): Promise<void> {
  const answer = await openApi(options).thawConnection({ name })
  if (options.json) return printJson(answer)
  printLine(`${answer.name}: writes go through again.`)
}

function tell(state: State, options: ApiOptions): void {
  if (options.json) return printJson(state)
  const { name, type, revision, address, tools: seen, frozen, held, under_way: underWay } = state
  printFields([
    ['Connection', `${name} (${type}, revision ${revision})`],
    ['Address', address],
    ...(seen === null
      ? []
      : [
          [
            'Tools',
            `${seen.count}, as listed ${seen.seen_at}: countersign connections tools ${name}`,
          ] as const,
        ]),
    ['Writes', frozen === null ? 'go through' : 'held: the connection is frozen'],
    ...(frozen === null ? [] : [['Since', `${frozen.at}, by ${frozen.by}`] as const]),
    ...(frozen === null || frozen.reason === '' ? [] : [['Reason', frozen.reason] as const]),
  ])
  const rows = [
    ...held.map((write) => [write.writeback_id, write.preview.target, 'held']),
    ...underWay.map((write) => [write.writeback_id, write.preview.target, 'sent, no answer yet']),
  ]
  if (rows.length > 0) {
    printLine()
    printTable(['WRITEBACK', 'TARGET', 'STATE'], rows, '')
  }
  for (const { message } of state.warnings) note(`The server says what cannot be used: ${message}`)
  if (state.held_omitted || state.under_way_omitted) {
    note(`There are more: countersign writebacks list --connection ${shellWord(name)}`)
  }
  if (frozen !== null) note(`Let them through again: countersign connections thaw ${shellWord(name)}`)
}
