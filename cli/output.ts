/**
 * What the CLI prints. Results go to standard output, everything else to standard error. Text that came from elsewhere
 * is made visible first: a server's answer must not be able to move the cursor of whoever approves.
 */
import { styleText } from 'node:util'
import { visible } from '../lib/shown-text.ts'

export { visible }

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** For people only: progress, hints, warnings. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Only on a terminal, and not where NO_COLOR is set: Node looks at both. */
export function styled(style: Style, text: string): string {
  return paint(process.stdout, style, text)
}

export function styledNote(style: Style, text: string): string {
  return paint(process.stderr, style, text)
}

function paint(stream: NodeJS.WriteStream, style: Style, text: string): string {
  return stream.isTTY && stream.hasColors() ? styleText(style, text, { validateStream: false }) : text
}

/** Columns as wide as their widest cell. An empty table says what is not there. */
export function printTable(headers: readonly string[], rows: readonly string[][], empty: string): void {
  if (rows.length === 0) {
    printLine(empty)
    return
  }
  const [head = '', ...lines] = tableLines(headers, rows)
  printLine(styled('dim', head))
  for (const line of lines) printLine(line)
}

/** The first line is the head. */
export function tableLines(headers: readonly string[], rows: readonly string[][]): string[] {
  const cells = rows.map((row) => row.map(visible))
  const widths = headers.map((header, column) =>
    Math.max(...[[...headers], ...cells].map((row) => lengthOf(row[column] ?? '')), lengthOf(header)),
  )
  const join = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - lengthOf(cell))))
      .join('  ')
      .trimEnd()
  return [join(headers), ...cells.map(join)]
}

/** `label  value`, one below the other. */
export function printFields(fields: readonly (readonly [string, string])[]): void {
  const width = Math.max(...fields.map(([label]) => label.length))
  for (const [label, value] of fields) {
    printLine(`${styled('dim', label.padEnd(width))}  ${visible(value)}`)
  }
}

/** One line, as JSON, but a plain text as it is. */
export function valueText(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : (JSON.stringify(value) ?? '')
}

function lengthOf(text: string): number {
  return Array.from(text).length
}
