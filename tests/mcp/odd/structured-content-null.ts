import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'with null for structured content',
  answers: { 'tools/call': answer('{"content":[{"type":"text","text":"done"}],"structuredContent":null}') },
} satisfies Oddity
