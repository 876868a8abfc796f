import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that answers a call with an empty list',
  answers: { 'tools/call': answer('[]') },
  result: { content: [], isError: false },
} satisfies Oddity
