import { GOOD_TOOL, listing, type Oddity } from './oddity.ts'

export default {
  title: 'with a tool that is nested without end',
  answers: {
    'tools/list': listing(
      GOOD_TOOL,
      `{"name":"deep","inputSchema":${'{"a":'.repeat(300)}{}${'}'.repeat(300)}}`,
    ),
  },
  warnings: ['tool deep is left out: it is nested deeper'],
} satisfies Oddity
