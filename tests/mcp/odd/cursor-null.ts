import { answer, GOOD_TOOL, type Oddity } from './oddity.ts'

export default {
  title: 'whose last page has the cursor null',
  answers: { 'tools/list': answer(`{"tools":[${GOOD_TOOL}],"nextCursor":null}`) },
} satisfies Oddity
