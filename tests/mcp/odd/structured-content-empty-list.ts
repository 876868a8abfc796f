import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'with an empty list for structured content',
  answers: { 'tools/call': answer('{"content":[{"type":"text","text":"done"}],"structuredContent":[]}') },
} satisfies Oddity
