/** docs/reference/errors.md, from the error table. */
import { readFileSync } from 'node:fs'
import { EXIT_CODES } from '../../cli/errors.ts'
import { ERRORS, type ErrorEntry } from '../../schemas/errors.ts'
import { code, fence, madeFrom, page, table } from './markdown.ts'

const SOURCE = new URL('../../schemas/errors.ts', import.meta.url)

export function renderErrors(): string {
  const groups = groupsOf(readFileSync(SOURCE, 'utf8'))
  return page(
    madeFrom('`schemas/errors.ts`'),
    '# Errors',
    INTRODUCTION,
    fence('json', JSON.stringify(EXAMPLE, null, 2)),
    EXIT_CODES_TEXT,
    ...groups.flatMap(({ title, codes }) => [
      `## ${title}`,
      ...codes.map((name) => entryText(name, ERRORS[name])),
    ]),
  )
}

const INTRODUCTION = `Every refusal has a code that stays, a sentence, and the next action. The same code stands in the body of an HTTP
answer, in the failure of a workflow or an activity (\`ApplicationFailure.type\`), in the outcome of a writeback and in what
the CLI prints. *Tried again by itself* says that the same request can succeed later without anybody changing it; an
activity that fails with such a code is retried by Temporal.

An HTTP answer that is not a success is an RFC 9457 problem, \`application/problem+json\`:`

const EXAMPLE = {
  type: 'urn:countersign:problem:not-found',
  title: ERRORS.NOT_FOUND.title,
  status: ERRORS.NOT_FOUND.status,
  code: 'NOT_FOUND',
  detail: 'There is no automation late-fees.',
  hint: ERRORS.NOT_FOUND.hint,
  request_id: 'req-1',
}

const EXIT_CODES_TEXT = `Where several places are wrong, \`errors\` lists them all as \`{path, message, hint}\`. The CLI ends with ${EXIT_CODES.failed} when it was
refused or failed, ${EXIT_CODES.usage} when the command line is wrong, ${EXIT_CODES.unreachable} when the API cannot be reached.`

type Code = keyof typeof ERRORS

/** The comments in the table are its headings. */
function groupsOf(source: string): { title: string; codes: Code[] }[] {
  const groups: { title: string; codes: Code[] }[] = []
  for (const [, title, name] of source.matchAll(/^ {2}(?:\/\/ (.+)|([A-Z_]+): entry\()/gm)) {
    if (title !== undefined) groups.push({ title, codes: [] })
    else if (name !== undefined) groups.at(-1)?.codes.push(name as Code)
  }
  const listed = groups.flatMap(({ codes }) => codes)
  const missing = Object.keys(ERRORS).filter((name) => !listed.includes(name as Code))
  if (missing.length > 0) throw new Error(`no heading in schemas/errors.ts is above ${missing.join(', ')}`)
  return groups
}

function entryText(name: string, { status, retryable, title, hint }: ErrorEntry): string {
  const facts = table(
    ['HTTP status', 'tried again by itself', 'what to do'],
    [[String(status), retryable ? 'yes' : 'no', hint]],
  )
  return `### ${code(name)}\n\n${title}\n\n${facts}`
}
