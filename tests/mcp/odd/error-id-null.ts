import type { Oddity } from './oddity.ts'

export default {
  title: 'whose error has no id',
  answers: { 'tools/call': '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"disk full"}}' },
  failure: { code: 'TOOL_FAILED', sent: 'unknown', answer: -32603 },
  says: ['disk full'],
} satisfies Oddity
