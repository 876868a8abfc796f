/** The function that somebody probably meant who named one that there is not. For checks at save; no workflow asks. */
import { Environment } from '@marcbachmann/cel-js'
import { nearestName } from './nearest-name.ts'

/** The library has them, and expressions do not. */
const REFUSED = ['matches', 'bytes']
const UNKNOWN_CALL = /no matching overload for '(?:[\w.<>, ]+\.)?(\w+)\(/

/** Undefined for every other message, and where the function exists and its arguments do not fit. */
export function meantFunction(message: string): string | undefined {
  const [, name] = UNKNOWN_CALL.exec(message) ?? []
  if (name === undefined) return undefined
  const known = new Environment().getDefinitions().functions.map((one) => one.name)
  if (known.includes(name)) return undefined
  return nearestName(
    name,
    known.filter((one) => !REFUSED.includes(one)),
  )
}
