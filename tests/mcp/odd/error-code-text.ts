import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'whose error has a word for a code',
  answers: { 'tools/call': refusal('{"code":"E_FULL","message":null}') },
  failure: { code: 'TOOL_FAILED', sent: 'unknown', answer: -32603 },
  says: ['E_FULL'],
} satisfies Oddity
