import { answer, GOOD_TOOL, type Oddity } from './oddity.ts'

export default {
  title: 'whose cursor repeats itself',
  answers: { 'tools/list': answer(`{"tools":[${GOOD_TOOL}],"nextCursor":"more"}`) },
  warnings: ['tool echo is listed twice', 'repeats itself: it is read up to there'],
} satisfies Oddity
