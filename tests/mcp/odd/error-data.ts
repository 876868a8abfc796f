import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'that has its words in the data of an error',
  answers: {
    'tools/call': refusal('{"code":-32603,"message":"Internal error","data":{"detail":"duplicate key"}}'),
  },
  failure: { code: 'TOOL_FAILED', sent: 'unknown' },
  says: ['Internal error', 'duplicate key'],
} satisfies Oddity
