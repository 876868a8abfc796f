import { GOOD_TOOL, listing, type Oddity } from './oddity.ts'

export default {
  title: 'with characters in the name of a tool that cannot be kept',
  answers: { 'tools/list': listing(GOOD_TOOL, String.raw`{"name":"a\u0000b","inputSchema":{}}`) },
  warnings: ['is left out'],
} satisfies Oddity
