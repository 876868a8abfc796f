/** The text of a file, whatever encoding it has; one that cannot be read is refused, and no character of it is guessed. */
import { readFileSync } from 'node:fs'
import { UsageError } from './errors.ts'

export const STANDARD_INPUT = '-'

const SAVE_AS_UTF8 = 'Save it as UTF-8.'

export interface Flaw {
  /** `late-fee.yaml:12:5`, or the name of the file alone. */
  place: string
  message: string
  hint?: string | undefined
}

/** A file that can be read, and is not what it should be. */
export class MalformedFile extends UsageError {
  readonly flaws: readonly Flaw[]

  constructor(flaws: readonly Flaw[]) {
    const hints = [...new Set(flaws.flatMap(({ hint }) => (hint === undefined ? [] : [hint])))]
    const lines = flaws.map(({ place, message }) => `${place}: ${message}`)
    super(lines.join('\n'), hints.length === 0 ? undefined : hints.join(' '))
    this.name = 'MalformedFile'
    this.flaws = flaws
  }
}

/** Without its byte order mark. Throws UsageError if there is nothing to read, MalformedFile if it is no text. */
export function readText(path: string): string {
  const bytes = readBytes(path)
  const name = nameOfFile(path)
  const encoding = encodingOf(bytes)
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    const said = encoding === 'utf-8' ? 'not text in UTF-8' : `said to be ${encoding}, and is not`
    const place = `${name}${lineOf(bytes, encoding)}`
    throw new MalformedFile([{ place, message: `is ${said}.`, hint: SAVE_AS_UTF8 }])
  }
}

export function nameOfFile(path: string): string {
  return path === STANDARD_INPUT ? 'standard input' : path
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path === STANDARD_INPUT ? 0 : path)
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** As the mark at its beginning says; without one, where every other byte is zero, as in ASCII written as UTF-16. */
function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'utf-16le'
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0)) return 'utf-16be'
  return 'utf-8'
}

/** `:12`, of the first byte that is no UTF-8; nothing for other encodings. */
function lineOf(bytes: Buffer, encoding: string): string {
  if (encoding !== 'utf-8') return ''
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf('\n', start)
    const next = end < 0 ? bytes.length : end + 1
    if (!isUtf8(bytes.subarray(start, next))) return `:${line}`
    start = next
  }
  return ''
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
