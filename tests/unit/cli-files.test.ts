/** Files as editors and other programs write them: what can be used is used, and what cannot is named with its place. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readJsonArgument, readManifests } from '../../cli/files.ts'
import { MalformedFile } from '../../cli/file-text.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-files-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** `:line:column message`, without the folder. */
function flawsOf(content: string | Uint8Array): string[] {
  return readManifests([file('m.yaml', content)]).flaws.map(
    ({ place, message }) => `${place.slice(folder.length + 'm.yaml'.length + 1)} ${message}`,
  )
}

function manifestsOf(content: string | Uint8Array): unknown[] {
  const { sources, flaws } = readManifests([file('m.yaml', content)])
  expect(flaws).toEqual([])
  return sources.map(({ manifest }) => manifest)
}

const PLAIN = 'kind: Automation\nname: café\n'
const MANIFEST = { kind: 'Automation', name: 'café' }

function utf16(text: string, order: 'le' | 'be'): Buffer {
  const bytes = Buffer.from(text, 'utf16le')
  return order === 'le' ? bytes : bytes.swap16()
}

describe('the encoding of a file', () => {
  it.each([
    ['UTF-8', Buffer.from(PLAIN)],
    ['UTF-8 with a mark', Buffer.from(`\uFEFF${PLAIN}`)],
    ['UTF-16 with a mark', utf16(`\uFEFF${PLAIN}`, 'le')],
    ['UTF-16 of the other order', utf16(`\uFEFF${PLAIN}`, 'be')],
    ['UTF-16 without a mark', utf16(PLAIN, 'le')],
  ])('is found out: %s', (_name, bytes) => {
    expect(manifestsOf(bytes)).toEqual([MANIFEST])
  })

  it('that is not known is refused with its line, and no letter is guessed', () => {
    expect(flawsOf(Buffer.from('kind: Automation\nname: caf\u00e9\n', 'latin1'))).toEqual([
      ':2 is not text in UTF-8.',
    ])
  })

  it.each(['\uFEFF{"a": 1}', utf16('\uFEFF{"a": 1}', 'le')])(
    'does not matter for `--input @file` (%#)',
    (content) => {
      expect(readJsonArgument(`@${file('input.json', content)}`)).toEqual({ a: 1 })
    },
  )

  it('of `--input @file` that is none is told', () => {
    const path = file('input.json', Buffer.from('{"a": "\u00e9"}', 'latin1'))
    expect(() => readJsonArgument(`@${path}`)).toThrow(MalformedFile)
  })
})

describe('YAML that stands for something else', () => {
  it('is written out: aliases and merged objects', () => {
    const text = 'kind: K\nspec:\n  a: &a { x: 1, y: 2 }\n  b: *a\n  c: { <<: *a, y: 3 }\n'
    expect(manifestsOf(text)).toEqual([
      { kind: 'K', spec: { a: { x: 1, y: 2 }, b: { x: 1, y: 2 }, c: { x: 1, y: 3 } } },
    ])
  })

  it.each([
    ['a: *nope\n', ':1:4 the alias *nope names nothing that stands before it.'],
    ['a: &a\n  b: *a\n', ':2:6 the alias *a stands inside of what it names.'],
    ['a: !Ref Bucket\n', ':1:4 the tag !Ref means nothing here.'],
    ['a: !!binary aGk=\n', ':1:13 the tag !!binary gives a value that JSON does not have.'],
    ['a: !!set { b, c }\n', ':1:10 the tag !!set gives a value that JSON does not have.'],
    ['a: .inf\n', ':1:4 is a number that cannot be kept exactly.'],
    ['a: .nan\n', ':1:4 is a number that cannot be kept exactly.'],
    ['? [a, b]\n: 1\n', ':1:3 a name must be a text, not a list or an object.'],
  ])('is refused with its place: %j', (text, expected) => {
    expect(flawsOf(text)).toEqual([expected])
  })

  it('is refused where nobody could write it out', () => {
    const lines = ['x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]']
    for (let level = 1; level < 6; level++) {
      lines.push(
        `x${level}: &x${level} [${Array(10)
          .fill(`*x${level - 1}`)
          .join(', ')}]`,
      )
    }
    expect(flawsOf(lines.join('\n'))[0]).toMatch(/^:2:10 its aliases cannot be written out: /)
    expect(flawsOf('a: 1\nb: { <<: 3 }\n')[0]).toMatch(/ its aliases cannot be written out: /)
  })

  it('is read all the same where it is only not exact, so that the rest of its file can be told', () => {
    const text =
      'kind: Policy\nlarge: 12345678901234567890\n---\nkind: K\nspec: .inf\n---\nkind: Connection\n'
    const { sources, flaws } = readManifests([file('m.yaml', text)])
    expect(flaws.map(({ message }) => message)).toEqual(
      Array(2).fill('is a number that cannot be kept exactly.'),
    )
    expect(sources.map(({ manifest }) => manifest['kind'])).toEqual(['Policy', 'Connection'])
  })

  it('is told in words of ours where it is nested without end', () => {
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
    expect(flawsOf(`a: ${deep}\n`)).toEqual([expect.stringMatching(/^:1:\d+ is nested too deep\.$/)])
    expect(() => readJsonArgument(deep)).toThrow('it is nested over 200 deep.')
  })

  it('is told all at once, and does not hide what is wrong in other files', () => {
    const one = file('one.yaml', 'a: !Ref x\nb: *c\n')
    const two = file('two.yaml', 'kind: [\n')
    const three = file('three.yaml', 'kind: Policy\n')
    const { sources, flaws } = readManifests([one, two, three])
    expect(flaws.map(({ place }) => place.slice(folder.length + 1))).toEqual([
      'one.yaml:1:4',
      'one.yaml:2:4',
      expect.stringMatching(/^two\.yaml:/),
    ])
    expect(sources.map(({ manifest }) => manifest)).toEqual([{ kind: 'Policy' }])
    expect(flaws.every(({ place, hint }) => place.startsWith(two) || hint !== undefined)).toBe(true)
  })
})
