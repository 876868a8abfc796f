/**
 * Tools that pay, and one that tells whether something was paid. The operator says of each name what may be done when
 * its answer is lost: nothing of `pay`, a look of `pay_checked`, a second sending of `pay_again`.
 */
import type { JsonObject } from '../../lib/json.ts'
import { textResult, type TestTool } from './mcp-server.ts'

const INPUT_SCHEMA = {
  type: 'object' as const,
  properties: { about: { type: 'string' } },
  required: ['about'],
  additionalProperties: false,
}

const PAYING = ['pay', 'pay_checked', 'pay_again']

export interface PaymentBook {
  add(about: string): void
  /** How often this was paid. */
  count(about: string): number
}

export function payingTools(book: PaymentBook): TestTool[] {
  return [
    ...PAYING.map((name) => ({
      name,
      inputSchema: INPUT_SCHEMA,
      run: ({ about }: Record<string, unknown>) => {
        book.add(String(about))
        return textResult('paid')
      },
    })),
    {
      name: 'is_paid',
      inputSchema: INPUT_SCHEMA,
      run: ({ about }) => ({
        ...textResult('looked'),
        structuredContent: { paid: book.count(String(about)) > 0 },
      }),
    },
  ]
}

/** For the settings of a connection. */
export const PAYING_SETTINGS: JsonObject = {
  is_paid: { class: 'read' },
  pay: { class: 'write' },
  pay_checked: {
    class: 'write',
    resend: 'check',
    check: {
      tool: 'is_paid',
      arguments: { about: '${{ arguments.about }}' },
      applied_if: 'result.paid',
    },
  },
  pay_again: { class: 'write', resend: 'safe' },
}

export function paymentStep(connection: string, tool: string): JsonObject {
  return { name: 'pay', tool_call: { connection, tool, arguments: { about: '${{ input.account }}' } } }
}
