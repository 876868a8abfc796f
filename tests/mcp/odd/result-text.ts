import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that answers a call with a bare text',
  answers: { 'tools/call': answer('"done"') },
  failure: { code: 'RESULT_INVALID', sent: 'yes' },
  says: ['the result is a text, and no object'],
} satisfies Oddity
