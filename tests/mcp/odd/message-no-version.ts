import type { Oddity } from './oddity.ts'

export default {
  title: 'that forgets the version of the protocol in a message',
  answers: { 'tools/call': '{"id":$id,"result":{"content":[{"type":"text","text":"done"}]}}' },
} satisfies Oddity
