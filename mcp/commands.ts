/**
 * The worker's own file of commands that connections may name. No API writes it: a manifest names an entry and can say
 * nothing about what is executed, otherwise a manifest would be code execution.
 */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { fillSecrets } from '../lib/secret-references.ts'
import { CodedError } from '../schemas/errors.ts'

const CommandFileContent = z.strictObject({
  commands: z.record(
    z.string(),
    z.strictObject({
      command: z.string().min(1),
      args: z.array(z.string()).default([]),
      /** Values may contain `${secret:NAME}`. */
      env: z.record(z.string(), z.string()).default({}),
      cwd: z.string().optional(),
      /** The account it runs as, by number; the worker needs the right to change to it. */
      uid: z.int().min(1).optional(),
      gid: z.int().min(1).optional(),
      /** Organizations that may use it; all if there are none. */
      organizations: z.array(z.string()).optional(),
    }),
  ),
})

type Entry = z.infer<typeof CommandFileContent>['commands'][string]

export interface CommandFile extends z.infer<typeof CommandFileContent> {
  path: string
}

export interface ResolvedCommand {
  name: string
  command: string
  args: string[]
  env: Record<string, string>
  cwd?: string
}

/** `paths`: one, or several with commas between; of a name that stands in two of them, the first one's is used. */
export async function loadCommandFile(paths: string): Promise<CommandFile> {
  const files = await Promise.all(paths.split(',').map((path) => loadOne(path.trim())))
  const commands = Object.fromEntries(files.toReversed().flatMap((file) => Object.entries(file.commands)))
  return { path: files.map(({ path }) => path).join(', '), commands }
}

/** A file that does not exist has no commands: most workers need none. */
async function loadOne(path: string): Promise<CommandFile> {
  try {
    const content = CommandFileContent.parse(JSON.parse(await readFile(path, 'utf8')))
    return { path, ...content }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { path, commands: {} }
    throw new CodedError('COMMAND_NOT_FOUND', `The command file ${path} cannot be used: ${reasonOf(error)}`)
  }
}

/** As it is written, with the names of its secrets. One that is for others is not there at all. */
export function commandEntry(
  file: CommandFile,
  { name, organization }: { name: string; organization: string },
): Entry {
  const entry = Object.hasOwn(file.commands, name) ? file.commands[name] : undefined
  if (entry && entry.organizations?.includes(organization) !== false) return entry
  throw new CodedError('COMMAND_NOT_FOUND', `The command file ${file.path} has no command ${name}.`)
}

export function resolveCommand(
  file: CommandFile,
  { name, organization }: { name: string; organization: string },
  resolveSecret: (name: string) => string,
): ResolvedCommand {
  const entry = commandEntry(file, { name, organization })
  assertEndable(name, entry)
  const env = Object.fromEntries(
    Object.entries(entry.env).map(([variable, value]) => [variable, fillSecrets(value, resolveSecret)]),
  )
  return { name, ...programOf(entry), env, ...(entry.cwd === undefined ? {} : { cwd: entry.cwd }) }
}

/**
 * Under another account a program reads neither the worker's files nor its environment in /proc. Node gives up the groups
 * of root for nobody, so `setpriv` (util-linux) does it and becomes the program; without it, or the right, nothing starts.
 */
function programOf({ command, args, uid, gid }: Entry): Pick<ResolvedCommand, 'command' | 'args'> {
  if (uid === undefined && gid === undefined) return { command, args }
  const account = [
    ...(uid === undefined ? [] : [`--reuid=${uid}`]),
    ...(gid === undefined ? [] : [`--regid=${gid}`]),
    '--clear-groups',
    // What a worker has that is not root would go along, and with it the way back to its account.
    '--inh-caps=-all',
    '--no-new-privs',
  ]
  return { command: 'setpriv', args: [...account, '--', command, ...args] }
}

/** A program that may not be ended keeps a write in its pipe beyond its time, and outlives the worker. */
function assertEndable(name: string, { uid }: Entry): void {
  if (uid === undefined || uid === process.getuid?.() || mayEndOthers()) return
  throw new CodedError(
    'COMMAND_NOT_FOUND',
    `The command ${name} runs as user ${uid}, whose programs this worker may not end: give the worker CAP_KILL besides CAP_SETUID and CAP_SETGID, or take uid out of the entry.`,
  )
}

/** By number, among the capabilities of Linux. */
const CAP_KILL = 5n

/** Asked of what the programs have that are started here: whoever watches beside the worker has to end them, too. */
function mayEndOthers(): boolean {
  const isRoot = process.getuid?.() === 0
  const field = isRoot ? /^CapBnd:\s*(\w+)/m : /^CapAmb:\s*(\w+)/m
  try {
    const [, mask = '0'] = field.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return ((BigInt(`0x${mask}`) >> CAP_KILL) & 1n) === 1n
  } catch {
    // No Linux, which has no setpriv either.
    return isRoot
  }
}

/** A parser quotes the text around a mistake, and the file may hold secrets. */
function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error)
  return error instanceof SyntaxError ? 'it is not JSON' : String(error)
}
