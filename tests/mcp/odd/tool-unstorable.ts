import { listing, type Oddity } from './oddity.ts'

export default {
  title: 'with characters in a definition that cannot be kept',
  answers: {
    'tools/list': listing(
      String.raw`{"name":"echo","inputSchema":{"type":"object"},"description":"a\u0000b \ud83d"}`,
    ),
  },
  tools: [{ name: 'echo', description: 'a\ufffdb \ufffd' }],
  warnings: ['tool echo holds characters that cannot be kept'],
} satisfies Oddity
