/** What is replayed: the bundle holds our workflow code, the expression language, Temporal's own, and nothing else. */
import { builtinModules } from 'node:module'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { bundleWorkflows } from '../../workers/bundle.ts'

/** Code without its source map, in bytes. A megabyte costs every worker some 50 ms at its start and each thread memory. */
const MAX_CODE_BYTES = 1_150_000

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PACKAGES = [
  '@marcbachmann/cel-js',
  '@temporalio/common',
  '@temporalio/workflow',
  'long',
  'ms',
  'nexus-rpc',
]
const OWN_FOLDERS = ['codec', 'lib', 'schemas', 'workflows']

let bundle: { code: string; sources: string[] }

beforeAll(async () => {
  const { code } = await bundleWorkflows()
  const map =
    /\n\/\/# sourceMappingURL=data:application\/json;(?:charset=utf-8;)?base64,([A-Za-z0-9+/=]+)/.exec(code)
  if (!map?.[1]) throw new Error('the bundle has no source map')
  const { sources } = JSON.parse(Buffer.from(map[1], 'base64').toString('utf8')) as { sources: string[] }
  bundle = { code: code.replace(map[0], ''), sources: sources.map((source) => source.replace(ROOT, '')) }
  console.log(
    `bundle: ${bundle.code.length} bytes of code, ${map[0].length} of source map, ${sources.length} modules`,
  )
})

test('has a bounded size', () => {
  expect(bundle.code.length).toBeGreaterThan(100_000)
  expect(bundle.code.length).toBeLessThan(MAX_CODE_BYTES)
})

test('holds packages that were meant to be in it, and no zod', () => {
  const packages = bundle.sources.flatMap((source) => {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(source)?.[1]
    return name === undefined ? [] : [name]
  })
  expect([...new Set(packages)].sort()).toEqual(PACKAGES)
})

test('holds nothing of the side that has effects', () => {
  const own = bundle.sources.filter(
    (source) => /^[a-z]/.test(source) && !/^(ignored\||node_modules\/|webpack\/)/.test(source),
  )
  expect([...new Set(own.map((source) => source.split('/', 1)[0]))].sort()).toEqual(OWN_FOLDERS)
  const schemas = own.filter((source) => source.startsWith('schemas/'))
  expect(schemas.sort()).toEqual(['schemas/errors.ts', 'schemas/names.ts'])
  expect(own.filter((source) => source.startsWith('codec/'))).toEqual(['codec/plain-failures.cjs'])
  expect(own).toContain('workflows/approval.ts')
})

test('asks for no built-in of Node', () => {
  const wanted = [...bundle.code.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) =>
    name?.replace('node:', ''),
  )
  expect(wanted.filter((name) => name !== undefined && builtinModules.includes(name))).toEqual([])
  expect(bundle.sources.filter((source) => source.startsWith('external '))).toEqual([])
})
