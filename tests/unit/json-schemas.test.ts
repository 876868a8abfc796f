/** The JSON Schemas for editors: as published, as good as what they follow from, with a word on every field. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { describe, expect, it } from 'vitest'
import { compileSchema } from '../../lib/json-schema.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { JSON_SCHEMAS } from '../../schemas/json-schemas.ts'
import { runCli } from '../support/cli.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const NAMES = Object.keys(JSON_SCHEMAS) as (keyof typeof JSON_SCHEMAS)[]

/** Files below examples/, by the schema that they name in their first line. */
const FILES = readdirSync(`${ROOT}examples`, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yaml'),
)

function documentsOf(file: string): JsonObject[] {
  return parseAllDocuments(readFileSync(`${ROOT}examples/${file}`, 'utf8')).map(
    (document) => document.toJS() as JsonObject,
  )
}

function problems(name: keyof typeof JSON_SCHEMAS, value: unknown): string[] {
  const schema = compileSchema(JSON_SCHEMAS[name]())
  if (!schema.ok) throw new Error(schema.message)
  return schema.misfitsOf(value).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

function undescribed(node: JsonValue, path: string): string[] {
  if (node === null || typeof node !== 'object') return []
  if (Array.isArray(node)) return node.flatMap((item) => undescribed(item, path))
  const fields = Object.entries((node['properties'] ?? {}) as Record<string, JsonObject>)
  const bare = fields.flatMap(([name, field]) => ('description' in field ? [] : [`${path}.${name}`]))
  return [...bare, ...Object.entries(node).flatMap(([key, inner]) => undescribed(inner, `${path}/${key}`))]
}

describe.each(NAMES)('of a %s', (name) => {
  // `vitest -u` writes it.
  it('is in the reference as it is', async () => {
    const text = `${JSON.stringify(JSON_SCHEMAS[name](), null, 2)}\n`
    await expect(text).toMatchFileSnapshot(`${ROOT}docs/reference/${name}.schema.json`)
  })

  it('says of every field what it means', () => {
    expect(undescribed(JSON_SCHEMAS[name](), '')).toEqual([])
  })

  it('is printed by the command line', async () => {
    const { code, stdout } = await runCli(['schema', name], { cwd: ROOT })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON_SCHEMAS[name]())
  })

  it('takes every example, each of which names it to editors', () => {
    const files = FILES.filter((file) => file.endsWith('.test.yaml') === (name === 'test'))
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) {
      const [first] = readFileSync(`${ROOT}examples/${file}`, 'utf8').split('\n')
      const up = '../'.repeat(file.split('/').length)
      expect(first).toBe(`# yaml-language-server: $schema=${up}docs/reference/${name}.schema.json`)
      for (const document of documentsOf(file)) expect(problems(name, document), file).toEqual([])
    }
  })
})

it('refuses manifests that are damaged', () => {
  const [document] = documentsOf('disputes/keep-note.yaml')
  if (!document) throw new Error('the example is gone')
  const damages: ((spec: JsonObject, steps: JsonObject[]) => void)[] = [
    (spec) => delete spec['steps'],
    (spec) => (spec['stepz'] = []),
    (_spec, steps) => delete steps[0]?.['name'],
    (_spec, steps) => (steps[0]!['name'] = 'Not A Name'),
    (_spec, steps) => (steps[0]!['retry'] = { max_attempts: 1 }),
    (_spec, steps) => (steps[0]!['on_error'] = 'ignore'),
    (_spec, steps) => (steps[0]!['timeout'] = '5 minutes'),
    (_spec, steps) => (steps[0]!['tool_call'] = { connection: 'notes' }),
    (_spec, steps) => (steps[2]!['fail'] = { code: 'lower', message: 'x' }),
  ]
  for (const [index, damage] of damages.entries()) {
    const copy = structuredClone(document)
    const spec = copy['spec'] as JsonObject
    damage(spec, spec['steps'] as JsonObject[])
    expect(problems('manifest', copy), String(index)).not.toEqual([])
  }
})
