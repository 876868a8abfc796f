/**
 * The worker's own file of commands that connections may name. No API writes it: a manifest names an entry and can say
 * nothing about what is executed, otherwise a manifest would be code execution.
 */
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
    }),
  ),
})

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

/** A file that does not exist has no commands: most workers need none. */
export async function loadCommandFile(path: string): Promise<CommandFile> {
  try {
    const content = CommandFileContent.parse(JSON.parse(await readFile(path, 'utf8')))
    return { path, ...content }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { path, commands: {} }
    throw new CodedError('COMMAND_NOT_FOUND', `The command file ${path} cannot be used: ${reasonOf(error)}`)
  }
}

/** As it is written, with the names of its secrets. */
export function commandEntry(file: CommandFile, name: string): CommandFile['commands'][string] {
  const entry = Object.hasOwn(file.commands, name) ? file.commands[name] : undefined
  if (entry) return entry
  throw new CodedError('COMMAND_NOT_FOUND', `The command file ${file.path} has no command ${name}.`)
}

export function resolveCommand(
  file: CommandFile,
  name: string,
  resolveSecret: (name: string) => string,
): ResolvedCommand {
  const entry = commandEntry(file, name)
  const env = Object.fromEntries(
    Object.entries(entry.env).map(([variable, value]) => [variable, fillSecrets(value, resolveSecret)]),
  )
  const { command, args, cwd } = entry
  return { name, command, args, env, ...(cwd === undefined ? {} : { cwd }) }
}

/** A parser quotes the text around a mistake, and the file may hold secrets. */
function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error)
  return error instanceof SyntaxError ? 'it is not JSON' : String(error)
}
