/** `countersign contexts`: the servers somebody has logged in to. No key is ever shown. */
import type { Command } from 'commander'
import { describedCommand, targetOf } from '../context.ts'
import {
  contextsFile,
  currentContext,
  readContexts,
  requireContext,
  writeContexts,
  type NamedContext,
} from '../contexts.ts'
import { DEFAULT_DATA_DIR } from '../dev/state.ts'
import { UsageError } from '../errors.ts'
import { note, printFields, printJson, printLine, printTable, visible } from '../output.ts'

interface Options {
  json?: boolean
}

export function registerContexts(program: Command): void {
  const contexts = describedCommand(program, {
    usage: 'contexts',
    summary: 'look at the servers you have logged in to, and choose one',
    examples: ['contexts list', 'contexts use staging'],
  })
  const command = (usage: string, summary: string, example: string): Command =>
    describedCommand(contexts, { usage, summary, examples: [example] }).option('--json', 'print it as JSON')
  command('list', 'list contexts; * is the current one', 'contexts list').action(list)
  command('show [name]', 'show a context, the current one unless named', 'contexts show').action(show)
  command('use <name>', 'make a context the current one', 'contexts use staging').action(use)
  command('remove <name>', 'forget a context and its key', 'contexts remove staging').action(removeContext)
}

function list(options: Options): void {
  const contexts = readContexts()
  const items = Object.keys(contexts.contexts)
    .sort()
    .map((name) => viewOf(requireContext(contexts, name), contexts.current))
  if (options.json) return printJson({ items })
  const rows = items.map((each) => [
    each.current ? '*' : '',
    each.name,
    each.url,
    each.organization,
    each.principal,
  ])
  printTable(['', 'CONTEXT', 'URL', 'ORGANIZATION', 'PRINCIPAL'], rows, 'There are none: countersign login')
}

function show(name: string | undefined, options: Options): void {
  const contexts = readContexts()
  const context = name === undefined ? currentContext(contexts) : requireContext(contexts, name)
  if (context === undefined) {
    throw new UsageError(
      'There is no current context.',
      'Use `countersign login` or `countersign contexts use`.',
    )
  }
  const view = viewOf(context, contexts.current)
  if (options.json) return printJson(view)
  printFields([
    ['Context', `${view.name}${view.current ? ' (current)' : ''}`],
    ['URL', view.url],
    ['Organization', view.organization],
    ['Principal', view.principal],
    ['Key', `kept in ${contextsFile()}`],
  ])
}

function use(name: string, options: Options): void {
  const contexts = readContexts()
  const context = requireContext(contexts, name)
  writeContexts({ ...contexts, current: name })
  if (options.json) return printJson(viewOf(context, name))
  printLine(`${name} is the current context: ${context.url} as ${visible(context.principal)}.`)
  warnIfHidden()
}

function removeContext(name: string, options: Options): void {
  const removed = forget(name)
  if (options.json) return printJson(removed)
  printLine(`${name} is forgotten.`)
}

/** The key itself stays valid: only the server can revoke it. */
export function forget(name: string): { name: string; url: string } {
  const contexts = readContexts()
  const { url } = requireContext(contexts, name)
  const rest = Object.fromEntries(Object.entries(contexts.contexts).filter(([known]) => known !== name))
  writeContexts({ current: contexts.current === name ? null : contexts.current, contexts: rest })
  return { name, url }
}

function viewOf({ key: _key, ...context }: NamedContext, current: string | null) {
  return { ...context, current: context.name === current }
}

/** Something nearer may say otherwise, and then people wonder. */
export function warnIfHidden(): void {
  const { addressFrom } = targetOf({ data: DEFAULT_DATA_DIR })
  if (!addressFrom.startsWith('context ')) {
    note(`Here it is not used: ${addressFrom} comes first. Add --context to say which.`)
  }
}
