/** docs/reference/limits.md, from lib/limits.ts and its comments. */
import { LIMITS, readableBytes } from '../../lib/limits.ts'
import * as limits from '../../lib/limits.ts'
import { readDocComments } from './doc-comments.ts'
import { code, madeFrom, page, table } from './markdown.ts'

const DAY_MS = 86_400_000

export function renderLimits(): string {
  const commentOf = readDocComments(['lib/limits.ts'])
  const ofTable = Object.entries(LIMITS).map(([name, value]) => [
    words(name),
    valueText(name, value),
    commentOf('LIMITS', [name]),
  ])
  const others = Object.entries(limits)
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [words(name.toLowerCase()), valueText(name, value), commentOf(name, [])])
  return page(
    madeFrom('`lib/limits.ts`'),
    '# Limits',
    INTRODUCTION,
    table(['what', 'at most', 'and then'], ofTable),
    '## Steps inside of steps, and waiting',
    table(['what', 'at most', ''], others),
    REST,
  )
}

const INTRODUCTION = `What one automation, one run and one message may be at most. Each lies below Temporal's own limit, whose answer would
be to terminate the run. Codes are in [errors](errors.md).`

const REST = `The limits of fields, such as the number of rules of a policy, are in [manifests](manifests.md); those of one expression
in [expressions](expressions.md).`

/** `runValuesBytes` → `run values`, `max_items_of_run` → `items of run`. */
function words(name: string): string {
  return name
    .replace(/(Bytes|_ms)$/, '')
    .replace(/^max_/, '')
    .replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
    .replaceAll('_', ' ')
}

function valueText(name: string, value: number): string {
  if (name.endsWith('Bytes')) return readableBytes(value).replace('.0 ', ' ')
  if (name.endsWith('_MS')) return value < DAY_MS ? `${value / 1_000} s` : `${value / DAY_MS} days`
  return code(value.toLocaleString('en-US'))
}
