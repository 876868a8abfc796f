import { GOOD_TOOL, listing, type Oddity } from './oddity.ts'

export default {
  title: 'that lists a tool twice',
  answers: {
    'tools/list': listing(
      GOOD_TOOL,
      '{"name":"echo","inputSchema":{"type":"object"},"description":"the last"}',
    ),
  },
  tools: [{ name: 'echo', description: 'the last' }],
  warnings: ['tool echo is listed twice'],
} satisfies Oddity
