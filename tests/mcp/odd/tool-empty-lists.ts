import { listing, type Oddity } from './oddity.ts'

export default {
  title: 'with empty lists where objects may be',
  answers: {
    'tools/list': listing(
      '{"name":"echo","inputSchema":{"type":"object"},"outputSchema":[],"annotations":[],"_meta":[]}',
    ),
  },
  tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
} satisfies Oddity
