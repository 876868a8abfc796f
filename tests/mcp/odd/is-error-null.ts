import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that says neither that it is an error nor that it is none',
  answers: {
    'tools/call': answer('{"content":[{"type":"text","text":"done"}],"isError":null,"_meta":null}'),
  },
} satisfies Oddity
