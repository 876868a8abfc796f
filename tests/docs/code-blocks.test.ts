/**
 * What stands in code blocks is true: manifests pass the checks of saving, JSON parses, TypeScript compiles against what
 * the package exports, commands and their options exist, and links lead somewhere.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { documentPlaces, knownOf } from '../../manifests/check.ts'
import { parseDocuments } from '../../manifests/document.ts'
import type { Known } from '../../manifests/known.ts'
import { anchorsOf, blocksOf, linksOf, markdownFiles, readPage, ROOT, type Block } from './markdown.ts'
import { requireLines } from './tutorial/follow.ts'
import { commandProblems, commandsIn, inlineCommands } from './commands.ts'
import { programLines, programProblems } from './programs.ts'

const FILES = markdownFiles()
const BLOCKS = FILES.flatMap((file) => blocksOf(file))
const ofLanguage = (...languages: string[]) => BLOCKS.filter(({ language }) => languages.includes(language))

/** It reads all of Temporal's types, on a machine that may be busy. */
const COMPILER_TIMEOUT_MS = 180_000

/** Declared for blocks that leave them to the reader. */
const READERS_OWN = { workflowsPath: 'string', activities: 'object' }

describe('a code block', () => {
  it('names a language that is checked, or `text`', () => {
    const known = ['bash', 'sh', 'json', 'sql', 'text', 'ts', 'yaml', '']
    const strange = BLOCKS.filter(({ language }) => !known.includes(language))
    expect(strange.map(({ place, language }) => `${place}: ${language}`)).toEqual([])
  })

  it('with JSON holds JSON', () => {
    const wrong = ofLanguage('json').flatMap(({ place, text }) => problemOf(place, () => JSON.parse(text)))
    expect(wrong).toEqual([])
    expect(ofLanguage('json').length).toBeGreaterThan(3)
  })

  it('with YAML holds manifests that could be saved', async () => {
    const blocks = ofLanguage('yaml').filter(({ info }) => !/^fragment\b/.test(info))
    const values = blocks.map((block) => ({ block, documents: manifestsIn(block) }))
    const examples = ['late-fee/manifests/connections', 'late-fee/manifests/late-fee'].flatMap((name) =>
      yamlDocuments(readFileSync(join(ROOT, `examples/${name}.yaml`), 'utf8')),
    )
    const everything = parseDocuments([
      ...examples,
      ...values.flatMap(({ documents }) => documents),
    ]).documents
    const known = knownOf(
      everything.map(({ manifest }) => manifest),
      false,
    )
    const wrong = values.map(async ({ block, documents }) =>
      (await placesIn(documents, known)).map(({ path, message }) => `${block.place}: ${path} ${message}`),
    )
    expect((await Promise.all(wrong)).flat()).toEqual([])
    expect(values.length).toBeGreaterThan(10)
  })

  it(
    'with TypeScript compiles against what the package exports',
    () => {
      expect(compile(ofLanguage('ts'))).toEqual([])
      expect(ofLanguage('ts').length).toBeGreaterThan(1)
    },
    COMPILER_TIMEOUT_MS,
  )

  it('with commands has commands and options that exist', () => {
    const inBlocks = ofLanguage('bash', 'sh').flatMap(({ place, text }) =>
      commandsIn(text).map((command) => ({ place, command })),
    )
    const inText = FILES.flatMap((file) =>
      inlineCommands(readPage(file)).map((command) => ({ place: file, command })),
    )
    const wrong = [...inBlocks, ...inText].flatMap(({ place, command }) =>
      commandProblems(command).map((problem) => `${place}: ${problem} in ${command}`),
    )
    expect(wrong).toEqual([])
    expect(inBlocks.length).toBeGreaterThan(30)
  })

  it('with commands of other programs names files, doors, services and variables that exist', () => {
    const lines = ofLanguage('bash', 'sh').flatMap(({ place, text }) =>
      programLines(text).map((words) => ({ place, words })),
    )
    const wrong = lines.flatMap(({ place, words }) =>
      programProblems(words).map((problem) => `${place}: ${problem} in ${words.join(' ')}`),
    )
    expect(wrong).toEqual([])
    expect(lines.filter(({ words }) => words[0] === 'curl').length).toBeGreaterThan(10)
    expect(lines.filter(({ words }) => words.includes('node')).length).toBeGreaterThan(3)
  })
})

describe('a link', () => {
  it('leads to a file and a heading that are there', () => {
    const links = FILES.flatMap((file) => linksOf(readPage(file)).map((target) => ({ file, target })))
    const wrong = links.filter(({ file, target }) => !leadsSomewhere(file, target))
    expect(wrong).toEqual([])
    expect(links.length).toBeGreaterThan(50)
  })
})

describe('the checks of code blocks', () => {
  it(
    'do bite',
    async () => {
      const command = 'countersign approvals list --nope'
      expect(commandProblems(command)).toEqual(['there is no option --nope'])
      expect(commandProblems('countersign aproovals list')).not.toEqual([])
      expect(commandProblems('npm run nothing')).toEqual(['there is no script nothing'])
      expect(
        compile([{ place: 'x', language: 'ts', info: '', text: 'const wrong: number = "text"' }]),
      ).toHaveLength(1)
      const steps = '- name: a\n  if: inptu.x\n  return: 1'
      const places = await placesIn(
        manifestsIn({ place: 'x', language: 'yaml', info: '', text: steps }),
        NOTHING,
      )
      expect(places.map(({ message }) => message).join()).toContain('There is no variable `inptu`')
      const code = '- name: a\n  code: { source: "export default (" }'
      const unread = await placesIn(
        manifestsIn({ place: 'x', language: 'yaml', info: '', text: code }),
        NOTHING,
      )
      expect(unread.map(({ message }) => message).join()).toContain('is not JavaScript')
      expect(PROGRAMS_WRONG.flatMap((line) => programLines(line).flatMap(programProblems))).toHaveLength(
        PROGRAMS_WRONG.length,
      )
      expect(leadsSomewhere('README.md', 'ARCHITECTURE.md#no-such-heading')).toBe(false)
      const printed = 'State   completed\nRun     run_0f3c5a1e9b7d42688c1d7e5f3a2b9c40'
      requireLines('State completed\nRun run_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', printed, 'x')
      expect(() => requireLines('State failed', printed, 'x')).toThrow('the page has')
      expect(() => requireLines('Run run_1\nState completed', printed, 'x')).toThrow('the page has')
    },
    COMPILER_TIMEOUT_MS,
  )
})

const PROGRAMS_WRONG = [
  'node node_modules/countersign/dist/api/boot.js',
  'TZ=UTC node dist/api/bootstrap.js --organisation acme',
  'curl "$COUNTERSIGN_URL/v1/runns"',
  'curl -X DELETE "$COUNTERSIGN_URL/v1/runs"',
  'docker compose exec apis node cli/bin.mjs doctor',
  'COUNTERSIGN_NOTHING=1 npm run dev',
  'pg_dmup --format custom',
]

const NOTHING = { connections: new Map(), automations: new Map(), mayBeMore: false }

/** A list of steps stands for an automation that has them. */
function manifestsIn({ text }: Block): unknown[] {
  return yamlDocuments(text).map((value) =>
    Array.isArray(value) ? { kind: 'Automation', name: 'example', spec: { steps: value } } : value,
  )
}

function yamlDocuments(text: string): unknown[] {
  return parseAllDocuments(text).map((document) => {
    if ('errors' in document && document.errors.length > 0) throw document.errors[0]
    return 'toJS' in document ? (document.toJS() as unknown) : undefined
  })
}

async function placesIn(values: readonly unknown[], known: Known) {
  const { documents, places } = parseDocuments(values)
  return [...places, ...(await documentPlaces(documents, known))]
}

/** All at once, in a folder of the repository, where packages are found. Messages name the page. */
function compile(blocks: readonly Block[]): string[] {
  const parent = join(ROOT, '.countersign')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'code-blocks-'))
  try {
    for (const [index, { text }] of blocks.entries()) {
      const own = Object.entries(READERS_OWN).filter(([name]) => text.includes(name))
      const declared = own.map(([name, type]) => `declare const ${name}: ${type}\n`).join('')
      writeFileSync(join(folder, `block${index}.ts`), `${text}\n${declared}export {}\n`)
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(COMPILER_CONFIG))
    const compiler = createRequire(import.meta.url).resolve('typescript/package.json')
    const arguments_ = [join(dirname(compiler), 'bin', 'tsc'), '--project', folder, '--pretty', 'false']
    execFileSync(process.execPath, arguments_, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
    return []
  } catch (error) {
    const output = String(error instanceof Error && 'stdout' in error ? error.stdout : error)
    const lines = output.split('\n').filter((line) => line.trim() !== '')
    return lines.map((line) =>
      line.replace(/^.*?block(\d+)\.ts/, (_all, index) => blocks[Number(index)]?.place ?? ''),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const COMPILER_CONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    paths: {
      'countersign/client': ['../../sdk/client/index.ts'],
      'countersign/triggers': ['../../sdk/triggers/index.ts'],
      'countersign/plugin': ['../../workers/index.ts'],
      'countersign/workflows': ['../../workflows/index.ts'],
    },
  },
  include: ['*.ts'],
  exclude: [],
}

function leadsSomewhere(file: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const absolute = path === '' ? join(ROOT, file) : join(ROOT, dirname(file), decodeURIComponent(path))
  if (!existsSync(absolute)) return false
  if (anchor === undefined || anchor === '') return true
  return absolute.endsWith('.md') && anchorsOf(readPage(relative(ROOT, absolute))).has(anchor)
}

function problemOf(place: string, attempt: () => unknown): string[] {
  try {
    attempt()
    return []
  } catch (error) {
    return [`${place}: ${error instanceof Error ? error.message : String(error)}`]
  }
}
