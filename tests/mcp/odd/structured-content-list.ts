import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'whose structured content is a list',
  answers: { 'tools/call': answer('{"content":[],"structuredContent":[{"id":1}]}') },
  result: { content: [], structuredContent: [{ id: 1 }], isError: false },
} satisfies Oddity
