import { answer, GOOD_TOOL, type Oddity } from './oddity.ts'

export default {
  title: 'whose cursor is a number',
  answers: { 'tools/list': answer(`{"tools":[${GOOD_TOOL}],"nextCursor":2}`) },
  warnings: ['goes on at a place that is no text'],
} satisfies Oddity
