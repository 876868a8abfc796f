/**
 * A failure in one text, for what carries nothing else than a text: title, detail and hint of the error table. And
 * back, so that whoever has title and hint of his own does not say them twice.
 */
import { ERRORS, type ErrorCode } from '../schemas/errors.ts'

export function failureText(code: ErrorCode, detail: string): string {
  const { title, hint } = ERRORS[code]
  const bare = detailIn(code, detail)
  return [title, ...(bare === '' ? [] : [asSentence(bare)]), hint].join(' ')
}

/** The detail inside a text that `failureText` made with this code; any other text is a detail itself. */
export function detailIn(code: ErrorCode, text: string): string {
  const { title, hint } = ERRORS[code]
  const isWhole = text.startsWith(`${title} `) && text.endsWith(` ${hint}`)
  return isWhole ? text.slice(title.length, -hint.length).trim() : text
}

function asSentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`
}
