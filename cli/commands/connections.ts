/** `countersign connections`: the emergency brake. */
import type { Command } from 'commander'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { note, printFields, printJson, printLine, printTable } from '../output.ts'

type State = OperationOutput<Operations['getConnectionState']>

export function registerConnections(program: Command): void {
  const connections = describedCommand(program, {
    usage: 'connections',
    summary: 'stop all writes through a connection, and let them through again',
    examples: ['connections freeze billing --reason "wrong amounts"'],
  })
  apiCommand(connections, {
    usage: 'show <connection>',
    summary: 'show whether a connection is frozen, and which writes that holds',
    examples: ['connections show billing'],
  }).action(show)
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

async function show(name: string, options: ApiOptions): Promise<void> {
  tell(await openApi(options).getConnectionState({ name }), options)
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
  const { name, frozen, held, under_way: underWay } = state
  printFields([
    ['Connection', name],
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
  if (frozen !== null) note(`Let them through again: countersign connections thaw ${name}`)
}
