/** How the demo speaks: numbered chapters and plain sentences for people, nothing at all for programs. */

export interface Narrator {
  chapter(title: string): void
  say(...lines: string[]): void
  /** A command that a person would type. */
  command(line: string): void
  /** Only with --interactive: waits for Enter. */
  pause(question: string): Promise<void>
}

export function createNarrator(options: {
  write: (text: string) => void
  bold: (text: string) => string
  ask: ((question: string) => Promise<void>) | null
}): Narrator {
  let chapters = 0
  return {
    chapter: (title) => options.write(`\n${options.bold(`${++chapters}. ${title}`)}\n`),
    say: (...lines) => options.write(`${lines.map((line) => `   ${line}`).join('\n')}\n`),
    command: (line) => options.write(`\n     $ ${line}\n\n`),
    pause: async (question) => options.ask?.(`   ${question} `),
  }
}

export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  )
}
