/** What a tool has answered, as the value that a step keeps, and in words where it is an error. */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_VALUE_SIZE, sizeOf, tooLarge } from '../../lib/limits.ts'
import { storableValue } from '../../lib/storable.ts'
import { cleanText } from '../../mcp/errors.ts'
import type { ToolResult } from '../../mcp/port.ts'
import { CodedError } from '../../schemas/errors.ts'

/** Throws TOOL_FAILED, or why it cannot be kept. */
export function outputOf(tool: string, result: ToolResult): JsonValue {
  if (result.isError) throw new CodedError('TOOL_FAILED', `${tool}: ${wordsOf(result)}`)
  const { output, code, message } = keptOf(result)
  if (code !== undefined) throw new CodedError(code, `${tool}: ${message ?? ''}`)
  return output
}

/** A code and a message: something is wrong with the output, or it is not kept. */
export interface Kept {
  output: JsonValue
  code?: 'RESULT_INVALID' | 'RESULT_TOO_LARGE'
  message?: string
}

/** A write that was done is done, also when its answer cannot be kept as it is. */
export function keptOf(result: ToolResult): Kept {
  if (result.inexact !== undefined)
    return { output: null, code: 'RESULT_INVALID', message: `the answer is not kept: ${result.inexact}` }
  const output = jsonOf(result)
  const message = tooLarge('the answer', sizeOf(output), MAX_VALUE_SIZE)
  if (message !== null) return { output: null, code: 'RESULT_TOO_LARGE', message }
  return { output: storableValue(output) }
}

/** Structured content where the tool gives it, else its text, and its content blocks of other kinds. */
function jsonOf(result: ToolResult): JsonValue {
  if (result.structuredContent !== undefined) return result.structuredContent as JsonValue
  const others = result.content.filter((block) => (block as { type?: unknown }).type !== 'text')
  return { text: textOf(result), content: others } as JsonObject
}

function textOf(result: ToolResult): string {
  const texts = result.content.flatMap((block) => {
    const { type, text } = block as { type?: unknown; text?: unknown }
    return type === 'text' && typeof text === 'string' ? [text] : []
  })
  return texts.join('\n')
}

/** Of an error: servers that say it in structured content alone say it, too. */
export function wordsOf({ content, structuredContent, ...result }: ToolResult): string {
  const text = textOf({ ...result, content }).trim()
  if (text !== '') return cleanText(text)
  if (structuredContent !== undefined) return cleanText(JSON.stringify(structuredContent))
  return content.length > 0 ? cleanText(JSON.stringify(content)) : 'the tool gives no words'
}
