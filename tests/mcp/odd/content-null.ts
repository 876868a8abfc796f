import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'without content',
  answers: { 'tools/call': answer('{"content":null,"structuredContent":{"id":1}}') },
  result: { content: [], structuredContent: { id: 1 }, isError: false },
} satisfies Oddity
