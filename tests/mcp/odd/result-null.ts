import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that answers a call with null',
  answers: { 'tools/call': answer('null') },
  result: { content: [], isError: false },
} satisfies Oddity
