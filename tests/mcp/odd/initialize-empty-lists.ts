import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that introduces itself with empty lists and null',
  answers: {
    initialize: answer(
      '{"protocolVersion":"2025-06-18","capabilities":[],"serverInfo":{"name":"odd","version":null},"instructions":null}',
    ),
  },
} satisfies Oddity
