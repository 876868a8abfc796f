import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'whose error is a bare text',
  answers: { 'tools/call': refusal('"disk full"') },
  failure: { code: 'TOOL_FAILED', sent: 'unknown', answer: -32603 },
  says: ['disk full'],
} satisfies Oddity
