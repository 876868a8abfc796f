/** A question to whoever sits at the terminal. */
import { createInterface } from 'node:readline/promises'

export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/** Ctrl-C and the end of input are a no. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
  terminal.once('SIGINT', () => terminal.close())
  try {
    const answer = await Promise.race([terminal.question(question), closed])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
