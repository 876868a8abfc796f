/** Command lines as pages show them, held against the program and the scripts of the package. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { buildProgram } from '../../cli/main.ts'
import { ROOT } from './markdown.ts'

/** Built into commander, or of npm itself. */
const OWN_OPTIONS = ['--help', '--version', '-h']
const program = buildProgram()
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }).scripts,
)

/** Simple commands: divided at pipes and `&&`, without comments and quoted texts, in which anything may stand. */
export function commandsIn(text: string): string[] {
  return text
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replaceAll(/"(?:\\.|[^"\\])*"|'[^']*'/g, 'TEXT').replace(/(^|\s)#.*$/, ''))
    .flatMap((line) => line.split(/\||&&|;|\$\(/))
    .map((command) =>
      command
        .trim()
        .replace(/^(?:[A-Z_]+=\S* )+/, '')
        .replace(/^\$ /, ''),
    )
    .filter((command) => /^(npx --no-install )?countersign |^npx countersign |^npm (run |test)/.test(command))
}

/** `` `countersign connections freeze` `` in the prose. */
export function inlineCommands(page: string): string[] {
  return [
    ...page.matchAll(/`((?:npx (?:--no-install )?)?(?:countersign (?!:)[a-z]|npm (?:run |test))[^`\n]*)`/g),
  ].flatMap(([, command = '']) => commandsIn(command.replaceAll('…', '')))
}

export function commandProblems(command: string): string[] {
  if (command.startsWith('npm')) return npmProblems(command)
  // Without the option npx takes a package of this name from the registry, whoever has it there.
  if (command.startsWith('npx countersign')) return ['npx needs --no-install']
  const words = command
    .replace(/^npx --no-install /, '')
    .split(/\s+/)
    .slice(1)
  let current: Command = program
  while (current.commands.length > 0) {
    const [word] = words
    if (word === undefined) return []
    if (OWN_OPTIONS.includes(word)) return []
    const next = current.commands.find((child) => child.name() === word)
    if (next === undefined) return [`there is no command ${word}`]
    words.shift()
    current = next
  }
  const options = new Set(current.options.flatMap(({ long, short }) => [long, short]))
  return words
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.split('=')[0] ?? '')
    .filter((word) => !options.has(word) && !OWN_OPTIONS.includes(word))
    .map((word) => `there is no option ${word}`)
}

function npmProblems(command: string): string[] {
  const [, script = 'test'] = /^npm run ([\w:-]+)/.exec(command) ?? []
  return scripts.includes(script) ? [] : [`there is no script ${script}`]
}
