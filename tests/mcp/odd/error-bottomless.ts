import { refusal, type Oddity } from './oddity.ts'

const DEPTH = 6_000

export default {
  title: 'whose error has data that are nested without end',
  answers: {
    'tools/call': refusal(
      `{"code":-32603,"message":"disk full","data":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}}`,
    ),
  },
  failure: { code: 'TOOL_FAILED', sent: 'unknown', answer: -32603 },
  says: ['disk full'],
} satisfies Oddity
