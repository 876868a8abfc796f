/** The parts of an OpenAPI document that we touch, and the examples put into them. */
import type { JsonValue } from '../../lib/json.ts'
import { OPERATIONS, type OperationName } from '../../schemas/operations.ts'
import { PROBLEM_TYPE } from '../plugins/problems.ts'
import { EXAMPLES } from './examples/index.ts'
import { problemExamples } from './problems.ts'

export interface Media {
  schema?: Record<string, unknown>
  example?: unknown
  examples?: Record<string, { summary?: string; value: unknown }>
}

export interface DescribedOperation {
  operationId: OperationName
  summary: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters?: {
    name: string
    in: 'path' | 'query' | 'header'
    required?: boolean
    description?: string
    schema?: Record<string, unknown>
    example?: unknown
  }[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description: string; content?: Record<string, Media> }>
}

export interface Description {
  info: { title: string; description: string }
  paths: Record<string, Record<string, DescribedOperation>>
}

/** A new document; the one given stays as it is. */
export function withExamples(description: Description): Description {
  const document = structuredClone(description)
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path)) addExamples(operation)
  }
  return document
}

interface Example {
  params?: Record<string, JsonValue> | undefined
  query?: Record<string, JsonValue> | undefined
  body?: unknown
  output: unknown
}

function addExamples(described: DescribedOperation): void {
  const operation = OPERATIONS[described.operationId]
  const { params, query, body, output } = EXAMPLES[described.operationId] as Example
  for (const parameter of described.parameters ?? []) {
    const value = { ...params, ...query }[parameter.name]
    if (parameter.in !== 'header' && value !== undefined) parameter.example = value
    if (parameter.in === 'header') parameter.example = 'waive-invoice-7'
  }
  const request = described.requestBody?.content['application/json']
  if (request && body !== undefined) request.example = body
  const success = 'status' in operation ? operation.status : 200
  const answer = described.responses[success]?.content?.['application/json']
  if (answer) answer.example = output
  for (const [code, response] of Object.entries(described.responses)) {
    const problem = response.content?.[PROBLEM_TYPE]
    if (problem) problem.examples = problemExamples(operation, Number(code))
  }
}
