import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'whose error is not in UTF-8',
  encoding: 'latin1',
  answers: { 'tools/call': refusal('{"code":-32603,"message":"disk full, Größe 0"}') },
  failure: { code: 'TOOL_FAILED', sent: 'unknown', answer: -32603 },
  says: ['disk full, Gr\ufffd\ufffde 0'],
} satisfies Oddity
