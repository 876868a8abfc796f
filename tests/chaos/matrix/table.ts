/** The matrix as a table for people: each cell with its runs, its violations, and how long recovery took. */
import { BLOWS, COMPONENTS, POSITION_TEXTS, POSITIONS } from './cells.ts'
import type { Incident } from './incident.ts'

export function tableOf(incidents: readonly Incident[]): string {
  const rows = BLOWS.flatMap((blow) => COMPONENTS.map((component) => ({ blow, component }))).flatMap(
    (row) => {
      const { blow, component } = row
      const struck = incidents.filter(({ cell }) => cell.blow === blow && cell.component === component)
      const cells = POSITIONS.map((position) =>
        cellText(struck.filter(({ cell }) => cell.position === position)),
      )
      return struck.length === 0 ? [] : [[`${blow} ${component}`, ...cells]]
    },
  )
  const heads = ['', ...POSITIONS.map((position) => POSITION_TEXTS[position])]
  const all = [heads, ...rows]
  const widths = heads.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const lines = all.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const legend =
    'Each cell: runs / violations / of unknown outcome / median seconds from the blow to the end of the run.'
  return [...lines, '', legend].join('\n')
}

function cellText(incidents: readonly Incident[]): string {
  if (incidents.length === 0) return ''
  const violated = incidents.filter(({ violations }) => violations.length > 0).length
  const unknown = incidents.filter(({ isUnknown }) => isUnknown).length
  const recoveries = incidents.map(({ recoveryMs }) => recoveryMs).toSorted((a, b) => a - b)
  const median = recoveries[Math.floor(recoveries.length / 2)] ?? 0
  return `${incidents.length} / ${violated} / ${unknown} / ${(median / 1000).toFixed(1)}`
}
