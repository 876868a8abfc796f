import { listing, type Oddity } from './oddity.ts'

export default {
  title: 'with null for what a tool does not have',
  answers: {
    'tools/list': listing(
      '{"name":"echo","title":null,"description":null,"inputSchema":{"type":"object"},"outputSchema":null,"annotations":null,"icons":null}',
    ),
  },
  tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
} satisfies Oddity
