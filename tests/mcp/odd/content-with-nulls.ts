import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'with null among its content',
  answers: { 'tools/call': answer('{"content":[null,{"type":"text","text":"done","annotations":null}]}') },
  result: { content: [{ type: 'text', text: 'done', annotations: null }], isError: false },
} satisfies Oddity
