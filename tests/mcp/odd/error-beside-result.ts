import type { Oddity } from './oddity.ts'

export default {
  title: 'that says null of an error beside its result',
  answers: {
    'tools/call':
      '{"jsonrpc":"2.0","id":$id,"error":null,"result":{"content":[{"type":"text","text":"done"}]}}',
  },
} satisfies Oddity
