import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'whose error says nothing',
  answers: { 'tools/call': refusal('{}') },
  failure: { code: 'TOOL_FAILED', sent: 'unknown' },
  says: ['the server gives no words'],
} satisfies Oddity
