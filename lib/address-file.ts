/** The address of our database from a file, so that its password need not stand in the environment. */
import { readFileSync } from 'node:fs'

interface Values {
  databaseUrl?: unknown
  databaseUrlFile?: unknown
}

/** Puts the address from its file into its place; if that is not to be had, there is none, and why is given. */
export function takeAddress(values: Values): string | undefined {
  const { databaseUrl, databaseUrlFile: file } = values
  if (typeof file !== 'string') return undefined
  try {
    if (databaseUrl !== undefined)
      throw new Error('is of no use while DATABASE_URL is set: remove one of them')
    values.databaseUrl = readAddress(file)
    return undefined
  } catch (error) {
    values.databaseUrl = undefined
    return error instanceof Error ? error.message : String(error)
  }
}

function readAddress(path: string): string {
  const address = read(path).trim()
  if (address === '') throw new Error(`names ${path}, which is empty`)
  return address
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(`names ${path}, which cannot be read (${code ?? String(error)})`, { cause: error })
  }
}
