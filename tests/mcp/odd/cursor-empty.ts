import { answer, GOOD_TOOL, type Oddity } from './oddity.ts'

export default {
  title: 'whose last page has an empty cursor',
  answers: { 'tools/list': answer(`{"tools":[${GOOD_TOOL}],"nextCursor":""}`) },
} satisfies Oddity
