import { GOOD_TOOL, listing, type Oddity } from './oddity.ts'

const DEPTH = 10_000

export default {
  title: 'with a tool that is nested deeper than anybody can write it',
  answers: {
    'tools/list': listing(
      GOOD_TOOL,
      `{"name":"deep","inputSchema":${'{"a":'.repeat(DEPTH)}{}${'}'.repeat(DEPTH)}}`,
    ),
  },
  warnings: ['tool deep is left out: it is nested deeper'],
} satisfies Oddity
