/** The answer to a question, field by field where its form is a flat object, else as JSON. */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { valueText, visible } from './output.ts'
import { parseJson } from './files.ts'
import { UsageError } from './errors.ts'

/** Undefined: whoever is asked has left. */
export type Ask = (question: string) => Promise<string | undefined>

type Tell = (text: string) => void

interface Field {
  name: string
  schema: JsonObject
  isRequired: boolean
}

/** Undefined: whoever is asked has left, and so has not answered. What does not fit is asked again. */
export async function askAnswer(form: JsonObject, ask: Ask, tell: Tell): Promise<JsonValue | undefined> {
  const fields = fieldsOf(form)
  if (fields === undefined)
    return askAgain(`Answer, as JSON for ${visible(valueText(form))}: `, ask, tell, jsonOf)
  const answer: JsonObject = {}
  for (const field of fields) {
    const value = await askAgain(promptOf(field), ask, tell, (text) => fieldOf(field, text))
    if (value === undefined) return undefined
    if (value !== LEFT_OUT) answer[field.name] = value.value
  }
  return answer
}

const LEFT_OUT = Symbol('left out')
const SCALARS = ['string', 'number', 'integer', 'boolean']

/** Undefined unless each field takes one line. */
function fieldsOf({ type, properties, required = [] }: JsonObject): Field[] | undefined {
  if (type !== 'object' || !isJsonObject(properties)) return undefined
  const names = Array.isArray(required) ? required : []
  const fields = Object.entries(properties).flatMap(([name, schema]) =>
    isJsonObject(schema) && (SCALARS.includes(String(schema['type'])) || Array.isArray(schema['enum']))
      ? [{ name, schema, isRequired: names.includes(name) }]
      : [],
  )
  return fields.length > 0 && fields.length === Object.keys(properties).length ? fields : undefined
}

function promptOf({ name, schema, isRequired }: Field): string {
  const { type, title, description } = schema
  const options = schema['enum']
  const told = [title, description].filter((text) => typeof text === 'string')
  const takes = Array.isArray(options)
    ? options.map((option) => valueText(option)).join(', ')
    : type === 'boolean'
      ? 'yes or no'
      : String(type)
  const notes = [...told, takes, ...(isRequired ? [] : ['Enter for none'])]
  return visible(`${name} (${notes.join('; ')}): `)
}

type Read<T> = { ok: true; value: T } | { ok: false; why: string }

async function askAgain<T>(
  question: string,
  ask: Ask,
  tell: Tell,
  read: (text: string) => Read<T>,
): Promise<T | undefined> {
  for (;;) {
    const text = await ask(question)
    if (text === undefined) return undefined
    const answer = read(text.trim())
    if (answer.ok) return answer.value
    tell(answer.why)
  }
}

function jsonOf(text: string): Read<JsonValue> {
  try {
    return { ok: true, value: parseJson(text, 'The answer') }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return { ok: false, why: visible(error.message) }
  }
}

function fieldOf(field: Field, text: string): Read<{ value: JsonValue } | typeof LEFT_OUT> {
  const { schema, isRequired } = field
  const options = schema['enum']
  if (text === '' && !isRequired) return { ok: true, value: LEFT_OUT }
  if (Array.isArray(options)) {
    const chosen = options.find((option) => valueText(option) === text)
    return chosen === undefined
      ? {
          ok: false,
          why: visible(`It takes one of ${options.map((option) => valueText(option)).join(', ')}.`),
        }
      : { ok: true, value: { value: chosen } }
  }
  return scalarOf(String(schema['type']), text)
}

function scalarOf(type: string, text: string): Read<{ value: JsonValue }> {
  if (type === 'string') return { ok: true, value: { value: text } }
  if (type === 'boolean') {
    if (/^(y|yes|true)$/i.test(text)) return { ok: true, value: { value: true } }
    if (/^(n|no|false)$/i.test(text)) return { ok: true, value: { value: false } }
    return { ok: false, why: 'It takes yes or no.' }
  }
  const isNumber = /^-?\d+(\.\d+)?$/.test(text) && (type === 'number' || !text.includes('.'))
  const read = isNumber ? jsonOf(text) : undefined
  if (read?.ok) return { ok: true, value: { value: read.value } }
  return { ok: false, why: type === 'integer' ? 'It takes a whole number.' : 'It takes a number.' }
}
