import type { Oddity } from './oddity.ts'

export default {
  title: 'that gives an id back as a text',
  answers: {
    'tools/call': '{"jsonrpc":"2.0","id":"$id","result":{"content":[{"type":"text","text":"done"}]}}',
  },
} satisfies Oddity
