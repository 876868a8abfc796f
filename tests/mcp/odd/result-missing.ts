import type { Oddity } from './oddity.ts'

export default {
  title: 'that answers a call with neither a result nor an error',
  answers: { 'tools/call': '{"jsonrpc":"2.0","id":$id}' },
  failure: { code: 'RESULT_INVALID', sent: 'yes' },
  says: ['neither a result nor an error'],
} satisfies Oddity
