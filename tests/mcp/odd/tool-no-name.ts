import { GOOD_TOOL, listing, type Oddity } from './oddity.ts'

export default {
  title: 'with a tool without a name, and with one that is a number',
  answers: { 'tools/list': listing(GOOD_TOOL, '{"inputSchema":{}}', '7') },
  warnings: ['a tool without a name is left out', 'a tool without a name is left out'],
} satisfies Oddity
