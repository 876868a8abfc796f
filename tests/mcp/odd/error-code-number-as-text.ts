import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'whose error has its code as a text',
  answers: { 'tools/call': refusal('{"code":"-32602","message":"no such table"}') },
  failure: { code: 'CALL_REFUSED', sent: 'refused', answer: -32602 },
  says: ['no such table'],
} satisfies Oddity
