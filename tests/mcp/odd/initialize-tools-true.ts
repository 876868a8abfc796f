import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that says of its capabilities in other types',
  answers: {
    initialize: answer(
      '{"protocolVersion":"2024-11-05","capabilities":{"tools":true,"logging":[],"experimental":null},"serverInfo":null}',
    ),
  },
} satisfies Oddity
