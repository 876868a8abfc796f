import type { Oddity } from './oddity.ts'

export default {
  title: 'that says more in a message than there is',
  answers: {
    'tools/call':
      '{"jsonrpc":"2.0","id":$id,"time_ms":4,"result":{"content":[{"type":"text","text":"done"}]}}',
  },
} satisfies Oddity
