/** `countersign automations`, with `pause` and `resume` as words of their own: what starts by itself, and stopping it. */
import type { Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { note, printFields, printJson, printTable, visible } from '../output.ts'

type Automation = OperationOutput<Operations['getAutomation']>
type Pause = NonNullable<Automation['paused']>

const DIGEST_DIGITS = 12

interface AutomationListOptions extends ApiOptions, ListOptions<'active' | 'paused'> {}

interface PauseOptions extends ApiOptions {
  trigger?: string
}

export function registerAutomations(program: Command): void {
  const automations = describedCommand(program, {
    usage: 'automations',
    summary: 'look at automations and their triggers, pause and resume them',
    examples: ['automations list', 'automations pause late-fee --reason "month end"'],
  })
  addListOptions(
    apiCommand(automations, {
      usage: 'list',
      summary: 'list automations by name, with what is paused of them',
      examples: ['automations list --state paused', 'automations list --connection billing'],
    }),
    { states: ['active', 'paused'], connection: true, maxLimit: 500 },
  ).action(list)
  apiCommand(automations, {
    usage: 'show <automation>',
    summary: 'show an automation: its triggers, and what is paused (its manifest: `manifests show`)',
    examples: ['automations show late-fee'],
  }).action(show)
  addListOptions(
    apiCommand(automations, {
      usage: 'revisions <automation>',
      summary: 'list the revisions of an automation, newest first (one of them: `manifests show --revision`)',
      examples: ['automations revisions late-fee'],
    }),
  ).action(revisions)
  for (const parent of [automations, program]) {
    const prefix = parent === automations ? 'automations ' : ''
    registerPause(parent, prefix)
    registerResume(parent, prefix)
  }
}

function registerPause(parent: Command, prefix: string): void {
  apiCommand(parent, {
    usage: 'pause <automation>',
    summary: 'start nothing of an automation, or by one of its triggers; runs that are there go on',
    examples: [
      `${prefix}pause late-fee --reason "month end"`,
      `${prefix}pause late-fee --trigger event/billing/invoice.disputed`,
    ],
  })
    .option('--trigger <trigger>', 'only this one: event/<connection>/<event>')
    .option('--reason <text>', 'for those who wonder why nothing starts', '')
    .action(pause)
}

function registerResume(parent: Command, prefix: string): void {
  apiCommand(parent, {
    usage: 'resume <automation>',
    summary:
      'let an automation, or one of its triggers, start runs again; what came meanwhile is not started',
    examples: [`${prefix}resume late-fee`],
  })
    .option('--trigger <trigger>', 'only this one: event/<connection>/<event>')
    .action(resume)
}

async function list(options: AutomationListOptions): Promise<void> {
  const { state, ...filters } = listQuery(options)
  const paused = state === undefined ? {} : ({ paused: state === 'paused' ? 'true' : 'false' } as const)
  const page = await openApi(options).listAutomations({ ...filters, ...paused })
  if (options.json) return printJson(page)
  const rows = page.items.map((each) => [
    each.name,
    String(each.revision),
    stateOf(each),
    each.triggers.map(({ trigger }) => trigger).join(', '),
  ])
  printTable(['AUTOMATION', 'REVISION', 'STATE', 'TRIGGERS'], rows, 'There are no such automations.')
  tellNextPage(page.next_cursor)
}

function stateOf({ paused, triggers }: Automation): string {
  if (paused !== null) return 'paused'
  const count = triggers.filter((trigger) => trigger.paused !== null).length
  return count === 0 ? 'active' : `${count} of ${triggers.length} triggers paused`
}

async function show(name: string, options: ApiOptions): Promise<void> {
  tell(await openApi(options).getAutomation({ name }), options)
}

async function revisions(name: string, options: ApiOptions & ListOptions<never>): Promise<void> {
  const page = await openApi(options).listRevisions({ kind: 'Automation', name, ...listQuery(options) })
  if (options.json) return printJson(page)
  const rows = page.items.map((each) => [
    String(each.revision),
    each.version,
    each.author,
    each.created_at,
    each.content_sha256.slice(0, DIGEST_DIGITS),
  ])
  printTable(['REVISION', 'VERSION', 'AUTHOR', 'SAVED', 'DIGEST'], rows, 'There are no revisions.')
  tellNextPage(page.next_cursor)
}

async function pause(name: string, options: PauseOptions & { reason: string }): Promise<void> {
  const { reason, trigger } = options
  const only = trigger === undefined ? {} : { trigger }
  tell(await openApi(options).pauseAutomation({ name, reason, ...only }), options)
}

async function resume(name: string, options: PauseOptions): Promise<void> {
  const only = options.trigger === undefined ? {} : { trigger: options.trigger }
  tell(await openApi(options).resumeAutomation({ name, ...only }), options)
}

function tell(automation: Automation, options: ApiOptions): void {
  if (options.json) return printJson(automation)
  const { name, revision, description, paused, triggers } = automation
  printFields([
    ['Automation', `${name}, revision ${revision}`],
    ...(description === null ? [] : [['Description', description] as const]),
    ['State', paused === null ? 'active' : pauseText(paused)],
    ...triggers.map(
      (each) =>
        ['Trigger', `${each.trigger}${each.paused === null ? '' : `: ${pauseText(each.paused)}`}`] as const,
    ),
  ])
  if (paused !== null) note(`Let it start runs again: countersign resume ${visible(shellWord(name))}`)
}

function pauseText({ at, by, reason }: Pause): string {
  return `paused since ${at} by ${by}${reason === '' ? '' : `: ${reason}`}`
}
