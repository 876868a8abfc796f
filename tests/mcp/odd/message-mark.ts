import type { Oddity } from './oddity.ts'

export default {
  title: 'that begins a message with a byte order mark',
  answers: {
    'tools/call': '\ufeff{"jsonrpc":"2.0","id":$id,"result":{"content":[{"type":"text","text":"done"}]}}',
  },
} satisfies Oddity
