/** The pages of the repository, as the tests of the documentation see them: code blocks, links, headings. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Block {
  /** File and line of its first fence, for messages. */
  place: string
  language: string
  /** What comes after the language. */
  info: string
  text: string
}

/** Every Markdown file of the repository, tracked or about to be. */
export function markdownFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return listed.split('\n').filter((file) => file !== '')
}

export function readPage(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

export function blocksOf(file: string, page = readPage(file)): Block[] {
  const pattern = /^( *)(`{3,})(\w*)[ \t]*([^\n`]*)\n([\s\S]*?)^\1\2[ \t]*$/gm
  return [...page.matchAll(pattern)].map((match) => {
    const [, indent = '', , language = '', info = '', text = ''] = match
    const line = page.slice(0, match.index).split('\n').length
    const plain = indent === '' ? text : text.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    return { place: `${file}:${line}`, language, info: info.trim(), text: plain }
  })
}

/** Without code blocks, in which nothing is a link or a heading. */
export function proseOf(page: string): string {
  return page.replaceAll(/^( *)(`{3,})[\s\S]*?^\1\2[ \t]*$/gm, '')
}

/** As GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = [...proseOf(page).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set(anchors)
}

/** Targets of links in the prose, without those to other places of the network. */
export function linksOf(page: string): string[] {
  const withoutCode = proseOf(page).replaceAll(/`[^`\n]*`/g, '')
  return [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
}
