import { listing, type Oddity } from './oddity.ts'

export default {
  title: 'with a tool whose fields have other types',
  answers: {
    'tools/list': listing(
      '{"name":"echo","inputSchema":{"type":"object"},"description":5,"annotations":"none","outputSchema":"none"}',
    ),
  },
  tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
  warnings: ['a description that', 'a outputSchema that', 'a annotations that'],
} satisfies Oddity
