import { GOOD_TOOL, listing, type Oddity } from './oddity.ts'

export default {
  title: 'with a tool whose input schema is a text',
  answers: { 'tools/list': listing(GOOD_TOOL, '{"name":"bad","inputSchema":"{}"}') },
  warnings: ['tool bad is left out'],
} satisfies Oddity
