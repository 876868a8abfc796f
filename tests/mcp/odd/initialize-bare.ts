import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'that introduces itself with nothing',
  answers: { initialize: answer('{}') },
} satisfies Oddity
