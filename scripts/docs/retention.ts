/** docs/reference/retention.md, from the table that the retention job goes by. `npm test` says when they differ. */
import { RETENTION } from '../../db/retention.ts'

export function renderRetention(): string {
  const rows = RETENTION.map(
    ({ tables, keep, why }) => `| ${tables.map((table) => `\`${table}\``).join(', ')} | ${keep} | ${why} |`,
  )
  return [INTRODUCTION, ['| table | kept | why |', '|---|---|---|', ...rows].join('\n'), REST, ''].join(
    '\n\n',
  )
}

const INTRODUCTION = `# What is kept how long

One job, \`retentionWorkflow\`, deletes once a day what is no longer needed. It takes its ages from one table in the code,
\`db/retention.ts\`, from which this page is made: starting the job more often, or with another input, deletes nothing more.
It works in small parts, oldest first, and stops short of everything that an execution in Temporal, an open write or a
receipt still needs.`

const REST = `Beside our own tables:

- **Temporal** keeps the history of what has ended for as long as the retention of the namespace says. Our setup sets 30
  days; \`countersign doctor\` warns when it is less.
- **\`countersign_receipts\` in your own databases** is what makes a repeated sending harmless. It is yours: rows of writes
  whose outcome is final may go.

If Temporal knows none of the runs that were started in the last twelve hours, it is the wrong namespace, or a new one.
Without such a run it has to know one that came before, or something that still waits.
Then the job deletes nothing, and the reconciler takes no execution for gone, until it knows one again.`
