/**
 * Commands of other programs than ours as pages show them: what they name of ours (files of the package, their options,
 * doors of the API, services of the composition, variables) is there. What the programs themselves take is theirs.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { OPERATIONS } from '../../schemas/operations.ts'
import { readPage, ROOT } from './markdown.ts'

/** A page that uses another one has to bring it here, with what can be wrong with it. */
const CHECKS: Record<string, (words: readonly string[]) => string[]> = {
  curl: curlProblems,
  docker: dockerProblems,
  node: nodeProblems,
  cd: nothing,
  done: nothing,
  export: assignmentProblems,
  for: nothing,
  git: nothing,
  npm: nothing,
  npx: nothing,
  countersign: nothing,
  openssl: nothing,
  jq: nothing,
  pg_dump: nothing,
  pg_restore: nothing,
  psql: nothing,
  temporal: nothing,
}
/** Doors that are not in the table of operations, for others than our client. */
const OTHER_DOORS = [
  'POST /api/trigger-callback',
  'GET /openapi.json',
  'GET /schemas/manifest.json',
  'GET /docs',
]

/** One for each command of a block: without comments; quoted texts are words. */
export function programLines(text: string): string[][] {
  return text
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => wordsOf(line.replace(/^\s*\$ /, '')))
    .filter((words) => words.length > 0)
}

export function programProblems(words: readonly string[]): string[] {
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word))
  const assigned = first < 0 ? words : words.slice(0, first)
  const [program, ...rest] = first < 0 ? [] : words.slice(first)
  const check = program === undefined ? nothing : CHECKS[program]
  return [
    ...assignmentProblems(assigned),
    ...(check ? check(rest) : [`nothing is known of the program ${program}`]),
  ]
}

function wordsOf(line: string): string[][] {
  const commands: string[][] = [[]]
  for (const [word, comment] of line.matchAll(/(\s#.*$|^#.*$)|&&|[|;<>]|(?:"[^"]*"|'[^']*'|[^\s|;<>"'])+/g)) {
    if (comment !== undefined) break
    if (/^(?:&&|[|;])$/.test(word)) commands.push([])
    else commands.at(-1)?.push(word.replaceAll(/["']/g, ''))
  }
  return commands.filter((words) => words[0] !== undefined && !['do', '<', '>'].includes(words[0]))
}

function nothing(): string[] {
  return []
}

function assignmentProblems(words: readonly string[]): string[] {
  const page = readPage('docs/reference/config.md')
  return words
    .map((word) => word.split('=')[0] ?? '')
    .filter((name) => /^(?:COUNTERSIGN|TEMPORAL)_/.test(name) && !page.includes(`\`${name}\``))
    .map((name) => `there is no variable ${name}`)
}

/** `dist` is made of the sources, file by file. */
function nodeProblems([file = '', ...rest]: readonly string[]): string[] {
  const own = file.replace(/^node_modules\/countersign\//, '')
  const source = own.replace(/^dist\/(.*)\.js$/, '$1.ts')
  if (!existsSync(join(ROOT, source))) return [`there is no file ${file}`]
  if (source === own) return []
  const text = readFileSync(join(ROOT, source), 'utf8')
  return rest
    .filter((word) => word.startsWith('--'))
    .map((word) => word.slice(2).split('=')[0] ?? '')
    .filter((option) => !new RegExp(`\\b${option}: \\{ type: `).test(text))
    .map((option) => `there is no option --${option}`)
}

function dockerProblems(words: readonly string[]): string[] {
  if (words[0] !== 'compose' || words[1] !== 'exec') return []
  const { services } = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) as { services: object }
  const at = words.findIndex((word) => word in services)
  if (at < 0) return ['there is no such service']
  return words[at + 1] === 'node' ? nodeProblems(words.slice(at + 2)) : []
}

function curlProblems(words: readonly string[]): string[] {
  const url = words.find((word) => /^(?:\$COUNTERSIGN_URL|https?:\/\/localhost:\d+)\//.test(word))
  if (url === undefined) return ['no address of the API is asked']
  const [path = ''] = url.replace(/^(?:\$COUNTERSIGN_URL|https?:\/\/[^/]+)/, '').split('?')
  const flag = words.findIndex((word) => word === '-X' || word === '--request')
  const sendsBody = words.some((word) => /^(?:-d|--data|--json)/.test(word))
  const asked = `${flag < 0 ? (sendsBody ? 'POST' : 'GET') : words[flag + 1]} ${path}`
  const doors = Object.values(OPERATIONS).map(({ method, path: door }) => `${method} ${door}`)
  const isThere = [...doors, ...OTHER_DOORS].some((door) =>
    new RegExp(`^${door.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`).test(asked),
  )
  return isThere ? [] : [`there is no ${asked}`]
}
