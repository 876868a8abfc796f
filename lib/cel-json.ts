/** `json(text)`: many servers answer with JSON as text. What it would change, as a number beyond 2^53, is an error. */
import { EvaluationError, type Environment } from '@marcbachmann/cel-js'
import { parseExactJson, type ExactJson } from './exact-json.ts'
import { isNestedDeeper } from './nesting.ts'

/** As deep as a result may be. */
const MAX_DEPTH = 200

export function registerJson(environment: Environment): void {
  environment.registerFunction('json(string): dyn', (text: string) => valueOf(text))
}

function valueOf(text: string): unknown {
  const { value, places } = parsed(text)
  const [place] = places
  if (place) throw failure('not_exact', `json(): ${place.path || 'the value'} ${place.message}`)
  if (isNestedDeeper(value, MAX_DEPTH))
    throw failure('value_too_large', `json(): the text is nested deeper than ${MAX_DEPTH} levels`)
  return value
}

function parsed(text: string): ExactJson {
  try {
    return parseExactJson(text)
  } catch {
    throw failure('invalid_json', 'json() needs a text that is JSON')
  }
}

function failure(code: string, message: string): EvaluationError {
  return new EvaluationError({ code, message })
}
